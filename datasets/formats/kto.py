"""TRL's KTO: a prompt, one completion, and whether it is wanted. FORMATS.md section 3, `kto`;
read shape 20.

One answer that was called good or bad, which is no choice between two: a good one is a demonstration, a bad one is
kept and asks for nothing.
"""

from datasets.formats import parsers, sft
from datasets.formats.message_lists import build_messages, build_turns
from datasets.formats.rows import DEMONSTRATION, JUDGED, Label, Response, Row

LABEL = "KTO (TRL, messages)"
SHAPE = 20
WRITES = Label


def matches(keys, row):
    return {"prompt", "completion", "label"} <= keys and parsers.has_rating(keys, row)


def read(row):
    (response,) = sft.read(row).responses
    return build_labelled_row(row, "label", parsers.parse_prompt(row), response.text)


def build_labelled_row(row, key, prompt, text):
    """The row of an answer that this field calls good or bad."""
    good = parsers.parse_label(parsers.require_field(row, key), key)
    return Row(prompt, (Response(text, parsers.find_source(row)),), DEMONSTRATION if good else JUDGED)


def write(row):
    return {
        "prompt": build_messages(build_turns(row.prompt)),
        "completion": build_messages([("assistant", row.answer)]),
        "label": row.wanted,
    }

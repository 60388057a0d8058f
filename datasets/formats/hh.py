"""Anthropic HH: chosen and rejected are whole dialogues in one string each. Read shape 8.

The prompt is every turn but the last; both sides must share it.
"""

import re

from datasets.formats import parsers
from datasets.formats.judged import build_judged_row
from datasets.formats.rows import Refusal

LABEL = "HH (Human:/Assistant: dialogues)"
SHAPE = 8
TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant):")


def matches(keys, row):
    chosen = row.get("chosen")
    alone = {"chosen", "rejected"} <= keys and parsers.find_prompt_key(row) is None
    return alone and isinstance(chosen, str) and chosen.lstrip("\n").startswith("Human:")


def read(row):
    chosen = parse_dialogue(parsers.require_field(row, "chosen"), "chosen")
    rejected = parse_dialogue(parsers.require_field(row, "rejected"), "rejected")
    prompt, better = parsers.split_answer(chosen, "chosen")
    other_prompt, worse = parsers.split_answer(rejected, "rejected")
    if prompt != other_prompt:
        raise Refusal("prompts_differ", "rejected")
    return build_judged_row(row, prompt, better, worse)


def parse_dialogue(value, field):
    """[(role, text), …]; the one blank that follows each colon is the format's, not the text's."""
    parts = TURN.split(parsers.parse_text(value, field))
    if parts[0].strip() or len(parts) < 3:
        raise Refusal("not_a_dialogue", field)
    return [
        (parsers.ROLES[speaker.lower()], words.removeprefix(" "))
        for speaker, words in zip(parts[1::2], parts[2::2], strict=True)
    ]

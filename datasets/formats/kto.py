"""KTO: a prompt, its one answer, and whether it is wanted. FORMATS.md section 3, `kto`; read shape 20.

A label on a single answer is not a choice between two: a good answer becomes a demonstration, a bad one is stored
without a comparison. A row without the label's column is a demonstration that nobody has labelled.
"""

from datasets.formats import parsers, sft
from datasets.formats.message_lists import build_answer, build_messages, build_turns
from datasets.formats.rows import DEMONSTRATION, JUDGED, Label, Prompt, RawRow, Response, Row
from datasets.formats.vocabulary import LABEL_KEYS

LABEL = "KTO (TRL, messages)"
SHAPE = 20
WRITES = Label
TRAINERS = {"TRL": "KTOTrainer"}
TAKES_EXTRAS = True
TAKES_TURNS = True


def matches(keys: set[str], row: RawRow) -> bool:
    answered = bool(keys & set(sft.ANSWERS)) and parsers.find_prompt_key(keys) is not None
    return answered and bool(keys & set(LABEL_KEYS)) and parsers.has_label(row)


def read(row: RawRow) -> Row:
    parsed = sft.read(row)
    return build_labelled_row(row, parsed.prompt, parsed.responses[0])


def build_labelled_row(row: RawRow, prompt: Prompt, answer: Response) -> Row:
    """The row of an answer that `kto_tag` or `label` calls good or bad."""
    key = next((name for name in LABEL_KEYS if name in row), None)
    good = None if key is None else parsers.parse_label(row[key], key)
    kind = JUDGED if good is False else DEMONSTRATION
    return Row(prompt, (answer._replace(source=parsers.find_source(row)),), kind, label=good)


def write(row: Label) -> RawRow:
    return {
        "prompt": build_messages(build_turns(row.prompt)),
        "completion": build_messages(build_answer(row.answer, row.turns)),
        "label": row.wanted,
    }

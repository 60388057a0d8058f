"""Anthropic HH: chosen and rejected are whole dialogues, each in one string. Read shape 8.

The prompt is every turn but the last; it must be equal on both sides.
"""

import re

from datasets.formats import parsers
from datasets.formats.pairs import build_pair
from datasets.formats.rows import RawRow, Refusal, Response, Row, Turn

LABEL = "HH (Human:/Assistant: dialogues)"
SHAPE = 8
TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant):")


def matches(keys: set[str], row: RawRow) -> bool:
    chosen = row.get("chosen")
    alone = {"chosen", "rejected"} <= keys and parsers.find_prompt_key(row) is None
    return alone and isinstance(chosen, str) and chosen.lstrip("\n").startswith("Human:")


def read(row: RawRow) -> Row:
    chosen = parse_dialogue(parsers.require_field(row, "chosen"), "chosen")
    rejected = parse_dialogue(parsers.require_field(row, "rejected"), "rejected")
    prompt, better = parsers.split_answer(chosen, "chosen")
    other_prompt, worse = parsers.split_answer(rejected, "rejected")
    if prompt != other_prompt:
        raise Refusal("prompts_differ", "rejected")
    return build_pair(row, prompt, Response(better), [Response(worse)])


def parse_dialogue(value: object, field: str) -> list[Turn]:
    """The turns of a dialogue; the space after each colon belongs to the format, not to the text."""
    parts = TURN.split(parsers.parse_text(value, field))
    if parts[0].strip() or len(parts) < 3:
        raise Refusal("not_a_dialogue", field)
    return [
        (parsers.ROLES[speaker.lower()], words.removeprefix(" "))
        for speaker, words in zip(parts[1::2], parts[2::2], strict=True)
    ]

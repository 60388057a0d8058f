"""Prompts without answers, stored until answers arrive. Read shape 27, after all others.

Such a row may have only keys that describe a prompt, so that one with a misspelt answer key does not match.
"""

from datasets.formats import parsers
from datasets.formats.rows import PROMPT, RawRow, Row
from datasets.formats.vocabulary import CONTEXT_KEYS, SYSTEM_KEYS

LABEL = "Prompts without answers"
SHAPE = 27
EXTRA_KEYS = {
    "input",
    *SYSTEM_KEYS,
    *CONTEXT_KEYS,
    "history",
    "id",
    "category",
    "dataset",
    "tags",
    "language",
    "topic",
    "difficulty",
}


def matches(keys: set[str], row: RawRow) -> bool:
    return bool(keys & set(parsers.PROMPT_KEYS)) and not keys - set(parsers.PROMPT_KEYS) - EXTRA_KEYS


def read(row: RawRow) -> Row:
    return Row(parsers.parse_prompt(row), (), PROMPT)

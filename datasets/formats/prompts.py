"""Prompts without answers: they are stored, and wait for answers. Read shape 27, after all others.

Only keys that say something about a prompt may stand in such a row: one with a misspelt answer is no prompt alone.
"""

from datasets.formats import parsers
from datasets.formats.rows import PROMPT, Row

LABEL = "Prompts without answers"
SHAPE = 27
EXTRA_KEYS = {"input", "system", "history", "id", "category", "dataset", "tags", "language", "topic", "difficulty"}


def matches(keys, row):
    return bool(keys & set(parsers.PROMPT_KEYS)) and not keys - set(parsers.PROMPT_KEYS) - EXTRA_KEYS


def read(row):
    return Row(parsers.parse_prompt(row), (), PROMPT)

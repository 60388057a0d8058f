"""One response a row, with its source; rows with the same prompt become one. Read shapes 23 (AlpacaEval) and 25."""

from datasets.formats import parsers
from datasets.formats.rows import CANDIDATES, Response, Row

LABEL = "Long (one response a row, with its source)"
SHAPE = 23


def matches(keys, row):
    answered = keys & set(parsers.ANSWER_KEYS) and keys & set(parsers.SOURCE_KEYS)
    return bool(answered) and parsers.find_prompt_key(dict.fromkeys(keys)) is not None


def read(row):
    key = next((name for name in parsers.ANSWER_KEYS if name in row), "response")
    text = parsers.parse_answer(parsers.require_field(row, key), key)
    return Row(parsers.parse_prompt(row), (Response(text, parsers.find_source(row)),), CANDIDATES)

"""One response a row, with its source; rows with the same prompt become one. Read shapes 23 (AlpacaEval) and 25."""

from datasets.formats import reading
from datasets.formats.rows import CANDIDATES, Response, Row

LABEL = "Long (one response a row, with its source)"
SHAPE = 23


def matches(keys, row):
    answered = keys & set(reading.ANSWER_KEYS) and keys & set(reading.SOURCE_KEYS)
    return bool(answered) and reading.find_prompt_key(dict.fromkeys(keys)) is not None


def read(row):
    key = next((name for name in reading.ANSWER_KEYS if name in row), "response")
    text = reading.parse_answer(reading.require_field(row, key), key)
    return Row(reading.parse_prompt(row), (Response(text, reading.find_source(row)),), CANDIDATES)

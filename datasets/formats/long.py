"""One response per row, with its source; rows with the same prompt are merged. Read shapes 23 (AlpacaEval) and 25."""

from collections.abc import Collection

from datasets.formats import parsers
from datasets.formats.rows import CANDIDATES, RawRow, Row
from datasets.formats.trajectories import parse_row_response
from datasets.formats.vocabulary import ANSWER_KEYS, MODEL_KEYS, SOURCE_KEYS

LABEL = "Long (one response a row, with its source)"
SHAPE = 23


def matches(keys: set[str], row: RawRow) -> bool:
    answered = keys & set(ANSWER_KEYS) and keys & set(SOURCE_KEYS)
    return bool(answered) and parsers.find_prompt_key(keys) is not None


def read(row: RawRow) -> Row:
    key = next((name for name in ANSWER_KEYS if name in row), "response")
    parsers.require_field(row, key)
    answer = parse_row_response(row, key)._replace(source=parsers.find_source(row))
    return Row(parsers.parse_prompt(row), (answer,), CANDIDATES)


def is_provenance(keys: Collection[str]) -> bool:
    """Whether only `source` could name the model: it may as well say where the row comes from.

    >>> is_provenance({"instruction", "output", "source"}), is_provenance({"prompt", "response", "model"})
    (True, False)
    """
    return "source" in keys and not any(key in keys for key in MODEL_KEYS)

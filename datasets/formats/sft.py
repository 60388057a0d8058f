"""A prompt and its one answer: prompt/completion, question/answer, query/response. Read shape 26."""

from datasets.formats import parsers
from datasets.formats.rows import DEMONSTRATION, RawRow, Row
from datasets.formats.trajectories import parse_row_response
from datasets.formats.vocabulary import MODEL_KEYS, TEXT_PROMPT_KEYS

LABEL = "SFT pairs (a prompt and its answer)"
SHAPE = 26
ANSWERS = ("completion", "answer", "response", "output")


def matches(keys: set[str], row: RawRow) -> bool:
    answered = bool(keys & set(TEXT_PROMPT_KEYS)) and bool(keys & set(ANSWERS))
    return answered and not parsers.has_rating(keys, row)


def read(row: RawRow) -> Row:
    key = next((name for name in ANSWERS if name in row), "completion")
    parsers.require_field(row, key)
    answer = parse_row_response(row, key)._replace(source=parsers.find_source(row, MODEL_KEYS))
    return Row(parsers.parse_prompt(row), (answer,), DEMONSTRATION)

"""A prompt and its one answer: prompt/completion, question/answer, query/response. Read shape 26."""

from datasets.formats import parsers
from datasets.formats.judged import parse_row_answer
from datasets.formats.rows import DEMONSTRATION, RawRow, Response, Row
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
    text = parse_row_answer(row, key)
    return Row(parsers.parse_prompt(row), (Response(text, parsers.find_source(row, MODEL_KEYS)),), DEMONSTRATION)

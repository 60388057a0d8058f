"""A prompt and its one answer: prompt/completion, question/answer, query/response. Read shape 26."""

from datasets.formats import parsers
from datasets.formats.judged import parse_single_answer
from datasets.formats.rows import DEMONSTRATION, Response, Row

LABEL = "SFT pairs (a prompt and its answer)"
SHAPE = 26
ANSWERS = ("completion", "answer", "response", "output")


def matches(keys, row):
    answered = bool(keys & set(parsers.PROMPT_KEYS)) and bool(keys & set(ANSWERS))
    return answered and not parsers.has_rating(keys, row)


def read(row):
    key = next((name for name in ANSWERS if name in row), "completion")
    value = parsers.require_field(row, key)
    is_list = isinstance(value, list)
    text = parse_single_answer(parsers.parse_messages(value, key), key) if is_list else parsers.parse_answer(value, key)
    return Row(parsers.parse_prompt(row), (Response(text),), DEMONSTRATION)

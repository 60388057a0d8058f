"""A prompt and its one answer: prompt/completion, question/answer, query/response. Read shape 26."""

from datasets.formats import reading
from datasets.formats.rows import DEMONSTRATION, Response, Row

LABEL = "SFT pairs (a prompt and its answer)"
SHAPE = 26
ANSWERS = ("completion", "answer", "response", "output")


def matches(keys, row):
    return bool(keys & set(reading.PROMPT_KEYS)) and bool(keys & set(ANSWERS))


def read(row):
    key = next((name for name in ANSWERS if name in row), "completion")
    value = reading.required(row, key)
    if isinstance(value, list):
        (text,) = [words for _, words in reading.messages(value, key)] if len(value) == 1 else (None,)
    else:
        text = value
    return Row(reading.prompt(row), (Response(reading.answer(text, key)),), DEMONSTRATION)

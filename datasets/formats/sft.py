"""A prompt and its one answer: prompt/completion, question/answer, query/response. Read shape 26."""

from datasets.formats import reading
from datasets.formats.judged import last_answer
from datasets.formats.rows import DEMONSTRATION, Response, Row

LABEL = "SFT pairs (a prompt and its answer)"
SHAPE = 26
ANSWERS = ("completion", "answer", "response", "output")


def matches(keys, row):
    answered = bool(keys & set(reading.PROMPT_KEYS)) and bool(keys & set(ANSWERS))
    return answered and not reading.marked(keys, row)


def read(row):
    key = next((name for name in ANSWERS if name in row), "completion")
    value = reading.required(row, key)
    said = isinstance(value, list)
    text = last_answer(reading.messages(value, key), key) if said else reading.answer(value, key)
    return Row(reading.prompt(row), (Response(text),), DEMONSTRATION)

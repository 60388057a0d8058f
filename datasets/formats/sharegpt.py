"""ShareGPT as LLaMA-Factory and Axolotl document it: conversations of from/value. Read shape 22, both spellings."""

from datasets.formats import reading
from datasets.formats.rows import DEMONSTRATION, Demonstration, Response, Row
from datasets.formats.writing import conversation, turns

LABEL = "ShareGPT"
SHAPE = 22
WRITES = Demonstration


def matches(keys, row):
    return bool(keys & {"conversations", "conversation"}) and not reading.marked(keys, row)


def read(row):
    key = "conversations" if "conversations" in row else "conversation"
    system = reading.text(row.get("system"), "system", required=False)
    said = reading.messages(reading.required(row, key), key)
    prompt, answer = reading.answered(said, key, system)
    return Row(prompt, (Response(answer, reading.source(row)),), DEMONSTRATION)


def write(row):
    return {"conversations": conversation([*turns(row.prompt), ("assistant", row.answer)])}

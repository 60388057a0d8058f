"""ShareGPT as LLaMA-Factory and Axolotl document it: conversations of from/value. Read shape 22, both spellings."""

from datasets.formats import reading
from datasets.formats.rows import DEMONSTRATION, Demonstration, Response, Row
from datasets.formats.writing import build_sharegpt, build_turns

LABEL = "ShareGPT"
SHAPE = 22
WRITES = Demonstration


def matches(keys, row):
    return bool(keys & {"conversations", "conversation"}) and not reading.has_rating(keys, row)


def read(row):
    key = "conversations" if "conversations" in row else "conversation"
    system = reading.parse_text(row.get("system"), "system", required=False)
    transcript = reading.parse_messages(reading.require_field(row, key), key)
    prompt, answer = reading.split_answer(transcript, key, system)
    return Row(prompt, (Response(answer, reading.find_source(row)),), DEMONSTRATION)


def write(row):
    return {"conversations": build_sharegpt([*build_turns(row.prompt), ("assistant", row.answer)])}

"""ShareGPT as LLaMA-Factory and Axolotl document it: conversations of from/value. Read shape 22, both spellings."""

from datasets.formats import parsers
from datasets.formats.message_lists import build_sharegpt, build_turns
from datasets.formats.rows import DEMONSTRATION, Demonstration, Response, Row

LABEL = "ShareGPT"
SHAPE = 22
WRITES = Demonstration


def matches(keys, row):
    return bool(keys & {"conversations", "conversation"}) and not parsers.has_rating(keys, row)


def read(row):
    key = "conversations" if "conversations" in row else "conversation"
    system = parsers.parse_text(row.get("system"), "system", required=False)
    transcript = parsers.parse_messages(parsers.require_field(row, key), key)
    prompt, answer = parsers.split_answer(transcript, key, system)
    return Row(prompt, (Response(answer, parsers.find_source(row)),), DEMONSTRATION)


def write(row):
    return {"conversations": build_sharegpt([*build_turns(row.prompt), ("assistant", row.answer)])}

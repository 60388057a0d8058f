"""OpenAI messages, which TRL's SFTTrainer, Axolotl and LLaMA-Factory (with tags) read. Read shape 21."""

from datasets.formats import reading, writing
from datasets.formats.rows import DEMONSTRATION, Demonstration, Response, Row

LABEL = "OpenAI messages"
SHAPE = 21
WRITES = Demonstration


def matches(keys, row):
    return "messages" in keys and not keys & set(reading.ANSWER_KEYS) and not reading.has_rating(keys, row)


def read(row):
    system = reading.parse_text(row.get("system"), "system", required=False)
    transcript = reading.parse_messages(reading.require_field(row, "messages"), "messages")
    prompt, answer = reading.split_answer(transcript, "messages", system)
    return Row(prompt, (Response(answer, reading.find_source(row)),), DEMONSTRATION)


def write(row):
    return {"messages": writing.build_messages([*writing.build_turns(row.prompt), ("assistant", row.answer)])}

"""OpenAI messages, which TRL's SFTTrainer, Axolotl and LLaMA-Factory (with tags) read. Read shape 21."""

from datasets.formats import reading, writing
from datasets.formats.rows import DEMONSTRATION, Demonstration, Response, Row

LABEL = "OpenAI messages"
SHAPE = 21
WRITES = Demonstration


def matches(keys, row):
    return "messages" in keys and not keys & set(reading.ANSWER_KEYS) and not reading.marked(keys, row)


def read(row):
    system = reading.text(row.get("system"), "system", required=False)
    said = reading.messages(reading.required(row, "messages"), "messages")
    prompt, answer = reading.answered(said, "messages", system)
    return Row(prompt, (Response(answer, reading.source(row)),), DEMONSTRATION)


def write(row):
    return {"messages": writing.messages([*writing.turns(row.prompt), ("assistant", row.answer)])}

"""OpenAI messages, which TRL's SFTTrainer, Axolotl and LLaMA-Factory (with tags) read. Read shape 21."""

from datasets.formats import message_lists, parsers
from datasets.formats.rows import DEMONSTRATION, Demonstration, Response, Row

LABEL = "OpenAI messages"
SHAPE = 21
WRITES = Demonstration


def matches(keys, row):
    return "messages" in keys and not keys & set(parsers.ANSWER_KEYS) and not parsers.has_rating(keys, row)


def read(row):
    system = parsers.parse_text(row.get("system"), "system", required=False)
    transcript = parsers.parse_messages(parsers.require_field(row, "messages"), "messages")
    prompt, answer = parsers.split_answer(transcript, "messages", system)
    return Row(prompt, (Response(answer, parsers.find_source(row)),), DEMONSTRATION)


def write(row):
    return {
        "messages": message_lists.build_messages([*message_lists.build_turns(row.prompt), ("assistant", row.answer)])
    }

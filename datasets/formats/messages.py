"""OpenAI messages, as read by TRL's SFTTrainer, Axolotl and LLaMA-Factory (with tags). Read shape 21."""

from datasets.formats import message_lists, parsers
from datasets.formats.rows import DEMONSTRATION, Demonstration, RawRow, Response, Row
from datasets.formats.vocabulary import ANSWER_KEYS

LABEL = "OpenAI messages"
SHAPE = 21
WRITES = Demonstration
TRAINERS = {
    "OpenAI": "",
    "TRL": "SFTTrainer",
    "Axolotl": "type: chat_template",
    "ms-swift": "",
    "OpenRLHF": "--data.input_key messages --data.apply_chat_template --data.multiturn",
    "LLaMA-Factory": '"formatting": "sharegpt", "tags": {…}',
}
TAKES_TURNS = True


def matches(keys: set[str], row: RawRow) -> bool:
    return "messages" in keys and not keys & set(ANSWER_KEYS) and not parsers.has_rating(keys, row)


def read(row: RawRow) -> Row:
    system = parsers.parse_system(row)
    transcript = parsers.parse_messages(parsers.require_field(row, "messages"), "messages")
    prompt, answer = parsers.split_answer(transcript, "messages", system)
    return Row(prompt, (Response(answer, parsers.find_source(row)),), DEMONSTRATION)


def write(row: Demonstration) -> RawRow:
    answer = message_lists.build_answer(row.answer, row.turns)
    return {"messages": message_lists.build_messages([*message_lists.build_turns(row.prompt), *answer])}

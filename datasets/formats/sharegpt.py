"""ShareGPT as LLaMA-Factory and Axolotl document it: conversations of from/value. Read shape 22, in either spelling."""

from datasets.formats import parsers
from datasets.formats.message_lists import build_answer, build_sharegpt, build_turns, require_alternation
from datasets.formats.rows import DEMONSTRATION, Demonstration, RawRow, Response, Row

LABEL = "ShareGPT"
SHAPE = 22
WRITES = Demonstration
TRAINERS = {
    "LLaMA-Factory": '"formatting": "sharegpt"',
    "ms-swift": "",
    "Axolotl": (
        "type: chat_template, field_messages: conversations, message_property_mappings: {role: from, content: value}"
    ),
}
TAKES_EXTRAS = True
TAKES_TURNS = True
CONVERSATIONS = ("conversations", "conversation", "trajectory")


def matches(keys: set[str], row: RawRow) -> bool:
    return bool(keys & set(CONVERSATIONS)) and not parsers.has_rating(keys, row)


def read(row: RawRow) -> Row:
    key = next((name for name in CONVERSATIONS if name in row), "conversation")
    system = parsers.parse_system(row)
    transcript = parsers.parse_messages(parsers.require_field(row, key), key)
    prompt, answer = parsers.split_answer(transcript, key, system)
    return Row(prompt, (Response(answer, parsers.find_source(row)),), DEMONSTRATION)


def write(row: Demonstration) -> RawRow:
    require_alternation(row.prompt)
    return {"conversations": build_sharegpt([*build_turns(row.prompt), *build_answer(row.answer, row.turns)])}

"""ShareGPT in the primer's spelling: one `conversation` of role/content. Read as `sharegpt`."""

from datasets.formats.message_lists import build_answer, build_messages, build_turns, require_alternation
from datasets.formats.rows import Demonstration, RawRow

LABEL = "ShareGPT (conversation, role/content)"
WRITES = Demonstration
TRAINERS = {
    "ms-swift": "",
    "Axolotl": "type: chat_template, field_messages: conversation",
    "LLaMA-Factory": '"formatting": "sharegpt", "tags": {…}',
}
TAKES_EXTRAS = True
TAKES_TURNS = True


def write(row: Demonstration) -> RawRow:
    require_alternation(row.prompt)
    return {"conversation": build_messages([*build_turns(row.prompt), *build_answer(row.answer, row.turns)])}

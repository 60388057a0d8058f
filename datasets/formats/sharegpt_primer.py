"""ShareGPT in the primer's spelling: one `conversation` of role/content. Read as `sharegpt`."""

from datasets.formats.message_lists import build_messages, build_turns
from datasets.formats.rows import Demonstration

LABEL = "ShareGPT (conversation, role/content)"
WRITES = Demonstration


def write(row):
    return {"conversation": build_messages([*build_turns(row.prompt), ("assistant", row.answer)])}

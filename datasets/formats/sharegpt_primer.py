"""ShareGPT in the primer's spelling: one `conversation` of role/content. Read as `sharegpt`."""

from datasets.formats.rows import Demonstration
from datasets.formats.writing import build_messages, build_turns

LABEL = "ShareGPT (conversation, role/content)"
WRITES = Demonstration


def write(row):
    return {"conversation": build_messages([*build_turns(row.prompt), ("assistant", row.answer)])}

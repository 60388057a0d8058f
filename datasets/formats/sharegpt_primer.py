"""ShareGPT in the primer's spelling: one `conversation` of role/content. Read as `sharegpt`."""

from datasets.formats.rows import Demonstration
from datasets.formats.writing import messages, turns

LABEL = "ShareGPT (conversation, role/content)"
WRITES = Demonstration


def write(row):
    return {"conversation": messages([*turns(row.prompt), ("assistant", row.answer)])}

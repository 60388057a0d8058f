"""TRL's KTO: a prompt, one completion, and whether it is wanted. FORMATS.md section 3, `kto`."""

from datasets.formats.rows import Label
from datasets.formats.writing import messages, turns

LABEL = "KTO (TRL, messages)"
WRITES = Label


def write(row):
    return {
        "prompt": messages(turns(row.prompt)),
        "completion": messages([("assistant", row.answer)]),
        "label": row.wanted,
    }

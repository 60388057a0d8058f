"""KTO of LLaMA-Factory and ms-swift: messages and a label. FORMATS.md section 3, `kto-messages`."""

from datasets.formats.rows import Label
from datasets.formats.writing import messages, turns

LABEL = "KTO (messages)"
WRITES = Label


def write(row):
    return {"messages": messages([*turns(row.prompt), ("assistant", row.answer)]), "label": row.wanted}

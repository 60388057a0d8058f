"""KTO of LLaMA-Factory and ms-swift: messages and a label. FORMATS.md section 3, `kto-messages`; read shape 20,
as `kto`."""

from datasets.formats import kto, reading
from datasets.formats.rows import Label
from datasets.formats.writing import messages, turns

LABEL = "KTO (messages)"
SHAPE = 20
WRITES = Label


def matches(keys, row):
    return "messages" in keys and bool(keys & {"label", "kto_tag"}) and reading.marked(keys, row)


def read(row):
    system = reading.text(row.get("system"), "system", required=False)
    said = reading.messages(reading.required(row, "messages"), "messages")
    prompt, answer = reading.answered(said, "messages", system)
    return kto.called(row, "kto_tag" if "kto_tag" in row else "label", prompt, answer)


def write(row):
    return {"messages": messages([*turns(row.prompt), ("assistant", row.answer)]), "label": row.wanted}

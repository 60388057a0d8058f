"""KTO of LLaMA-Factory and ms-swift: messages and a label. FORMATS.md section 3, `kto-messages`; read shape 20,
as `kto`."""

from datasets.formats import kto, reading
from datasets.formats.rows import Label
from datasets.formats.writing import build_messages, build_turns

LABEL = "KTO (messages)"
SHAPE = 20
WRITES = Label


def matches(keys, row):
    return "messages" in keys and bool(keys & {"label", "kto_tag"}) and reading.has_rating(keys, row)


def read(row):
    system = reading.parse_text(row.get("system"), "system", required=False)
    transcript = reading.parse_messages(reading.require_field(row, "messages"), "messages")
    prompt, answer = reading.split_answer(transcript, "messages", system)
    return kto.build_labelled_row(row, "kto_tag" if "kto_tag" in row else "label", prompt, answer)


def write(row):
    return {"messages": build_messages([*build_turns(row.prompt), ("assistant", row.answer)]), "label": row.wanted}

"""KTO of LLaMA-Factory and ms-swift: messages and a label. FORMATS.md section 3, `kto-messages`; read shape 20,
as `kto`."""

from datasets.formats import kto, parsers
from datasets.formats.message_lists import build_messages, build_turns
from datasets.formats.rows import Label

LABEL = "KTO (messages)"
SHAPE = 20
WRITES = Label


def matches(keys, row):
    return "messages" in keys and bool(keys & {"label", "kto_tag"}) and parsers.has_rating(keys, row)


def read(row):
    system = parsers.parse_text(row.get("system"), "system", required=False)
    transcript = parsers.parse_messages(parsers.require_field(row, "messages"), "messages")
    prompt, answer = parsers.split_answer(transcript, "messages", system)
    return kto.build_labelled_row(row, "kto_tag" if "kto_tag" in row else "label", prompt, answer)


def write(row):
    return {"messages": build_messages([*build_turns(row.prompt), ("assistant", row.answer)]), "label": row.wanted}

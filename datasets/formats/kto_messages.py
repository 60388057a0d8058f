"""KTO of LLaMA-Factory and ms-swift: messages and a label. FORMATS.md section 3, `kto-messages`; read shape 20,
as `kto`.

Both take the last message alone as the answer that the label is about.
"""

from datasets.formats import kto, parsers
from datasets.formats.message_lists import build_messages, build_turns, require_alternation
from datasets.formats.rows import Label, RawRow, Response, Row
from datasets.formats.vocabulary import CONVERSATION_KEYS, LABEL_KEYS

LABEL = "KTO (messages)"
SHAPE = 20
WRITES = Label
TRAINERS = {
    "LLaMA-Factory": '"kto_tag": "label", "tags": {…}',
    "ms-swift": "",
}


def matches(keys: set[str], row: RawRow) -> bool:
    return bool(keys & set(CONVERSATION_KEYS)) and bool(keys & set(LABEL_KEYS)) and parsers.has_label(row)


def read(row: RawRow) -> Row:
    key = next((name for name in CONVERSATION_KEYS if name in row), "messages")
    transcript = parsers.parse_messages(parsers.require_field(row, key), key)
    prompt, answer = parsers.split_answer(transcript, key, parsers.parse_system(row))
    return kto.build_labelled_row(row, prompt, Response(answer))


def write(row: Label) -> RawRow:
    require_alternation(row.prompt)
    return {"messages": build_messages([*build_turns(row.prompt), ("assistant", row.answer)]), "label": row.wanted}

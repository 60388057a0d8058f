"""Open WebUI's export of feedback: a rated message and a snapshot of its chat. Read shape 18.

open-webui: backend/open_webui/models/feedbacks.py. The rating, 1 or -1, labels the message that `meta.message_id`
names; the chat before it is the prompt. It is a label of one answer, not a choice between two, also where other models
answered beside it.
"""

from typing import Any

from datasets.formats import parsers
from datasets.formats.rows import DEMONSTRATION, JUDGED, RawRow, Refusal, Response, Row, Turn

LABEL = "Open WebUI (feedback)"
SHAPE = 18
LONGEST_CHAT = 10_000  # messages
KEEPS = frozenset({"details", "base_models"})
KNOWN_WITHIN = frozenset({"snapshot", "data", "meta"})


def matches(keys: set[str], row: RawRow) -> bool:
    data = row.get("data")
    return {"data", "snapshot", "meta"} <= keys and isinstance(data, dict) and "rating" in data


def read(row: RawRow) -> Row:
    data, meta = parse_object(row, "data"), parse_object(row, "meta")
    rating = data.get("rating")
    if str(rating) == "0":  # neither thumb
        raise Refusal("off_scale", "data.rating", "0")
    good = parsers.parse_label(rating, "data.rating")
    chat = find_chat(parse_object(row, "snapshot"))
    message, transcript = parse_branch(chat, str(meta.get("message_id")))
    params = chat.get("params")
    system = parsers.parse_text(params.get("system"), "snapshot.chat.params.system", required=False) if params else ""
    prompt, answer = parsers.split_answer(transcript, "snapshot.chat", system)
    source = parsers.parse_name(data.get("model_id") or message.get("model"), "data.model_id")
    extra = {key: data[key] for key in ("reason", "comment", "tags", "details", "sibling_model_ids") if data.get(key)}
    kind = DEMONSTRATION if good else JUDGED
    return Row(prompt, (Response(answer, source),), kind, label=good, meta=extra or None)


def parse_object(row: RawRow, key: str) -> RawRow:
    """The object in a field. Refuses anything else."""
    value = parsers.require_field(row, key)
    if not isinstance(value, dict):
        raise Refusal("missing_field", key)
    return value


def find_chat(snapshot: RawRow) -> RawRow:
    """The object that holds the history: the snapshot, its chat, or the chat within that."""
    for _ in range(3):
        if "history" in snapshot or "messages" in snapshot:
            return snapshot
        inner = snapshot.get("chat")
        if not isinstance(inner, dict):
            break
        snapshot = inner
    raise Refusal("missing_field", "snapshot.chat.chat.history")


def parse_branch(chat: RawRow, message_id: str) -> tuple[RawRow, list[Turn]]:
    """(the rated message, the turns up to it)."""
    history = chat.get("history")
    messages = history.get("messages") if isinstance(history, dict) else chat.get("messages")
    if isinstance(messages, list):
        messages = {str(message.get("id")): message for message in messages if isinstance(message, dict)}
    if not isinstance(messages, dict) or not isinstance(messages.get(message_id), dict):
        raise Refusal("missing_field", "meta.message_id", message_id[:80])
    branch: list[Any] = []
    at: Any = message_id
    while isinstance(messages.get(at), dict) and len(branch) < LONGEST_CHAT:
        branch.append(messages[at])
        at = messages[at].get("parentId")
    for message in branch:
        files = message.get("files")
        if files and any(isinstance(file, dict) and file.get("type") == "image" for file in files):
            raise Refusal("picture", "snapshot.chat.files")
    return branch[0], parsers.parse_messages(branch[::-1], "snapshot.chat.messages")

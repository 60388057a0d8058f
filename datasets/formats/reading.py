"""The parts that the readers share: texts, prompts, conversations. Each refuses with reason and field."""

import json
import re

from datasets.formats.rows import Prompt, Refused, Table

ROLES = {
    "system": "system",
    **dict.fromkeys(["user", "human", "用户", "input"], "user"),
    **dict.fromkeys(["assistant", "gpt", "bot", "model", "chatgpt", "bing", "助手", "output"], "assistant"),
}
ANSWER_KEYS = ("response", "output", "answer", "completion", "text")
SOURCE_KEYS = ("source", "model", "generator")
LABELS = {"true": True, "1": True, "false": False, "0": False}
RATINGS = {"helpfulness", "correctness", "coherence", "complexity", "verbosity"}
MESSAGES = re.compile(r"""\s*\[\s*\{\s*["'](role|from|content|value)["']""")
PROMPT_KEYS = ("prompt", "instruction", "question", "query")


def text(value, field, required=True):
    """The text itself, unchanged. Refused: no text, and what cannot be kept (NUL, a lone surrogate)."""
    if value is None:
        if required:
            raise Refused("null_text", field)
        return ""
    if not isinstance(value, str):
        raise Refused("not_text", field, type(value).__name__)
    if "\x00" in value:
        raise Refused("bad_unicode", field, "NUL")
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Refused("bad_unicode", field, f"U+{ord(value[error.start]):04X}") from None
    return value


def filled(value, field, reason="empty_prompt"):
    """A text that holds more than blanks."""
    if not text(value, field).strip():
        raise Refused(reason, field)
    return value


def answer(value, field):
    """The text of a response."""
    return filled(value, field, "empty_answer")


def name(value, field):
    """A source's or an annotator's name; a number is taken as its digits, nothing as ""."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    found = text(value, field, required=False)
    if len(found) > 200:
        raise Refused("name_too_long", field, "200")
    return found


def number(value, field):
    """A number, in a table as its digits."""
    try:
        found = float(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, int | float) or not -1e9 < found < 1e9:
        raise Refused("off_scale", field, str(value)[:80])
    return found


def one_of(value, field, scale):
    """A number of a scale."""
    found = number(value, field)
    if found not in scale:
        raise Refused("off_scale", field, str(value)[:80])
    return int(found)


def source(row):
    """Which model or person wrote a row's response, where the row says so."""
    key = next((key for key in SOURCE_KEYS if isinstance(row.get(key), str | int) and row[key] != ""), "source")
    return name(row.get(key), key)


def marked(keys, row):
    """Whether the row says of its one answer how good it is (KTO's label, HelpSteer's ratings): a poor answer is no
    demonstration."""
    return len(keys & RATINGS) >= 2 or "kto_tag" in keys or str(row.get("label")).lower() in LABELS


def label(value, field):
    """Whether an answer was called good: true or false, in a table as text, or 1 or 0."""
    if str(value).lower() not in LABELS:
        raise Refused("off_scale", field, str(value)[:80])
    return LABELS[str(value).lower()]


def listed(value, field):
    """A list, or the list that a cell of a table holds as JSON."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Refused("bad_json", field) from None
    if not isinstance(value, list):
        raise Refused("not_a_list", field, type(value).__name__)
    return value


def message_list(row, key):
    """Whether this field holds a list of messages, in a table as JSON."""
    value = row.get(key)
    return isinstance(value, list) or (isinstance(row, Table) and bool(MESSAGES.match(value or "")))


def messages(value, field):
    """[(role, text), …] of a list of messages in either spelling, roles as `system`, `user` or `assistant`."""
    found = []
    for number, message in enumerate(listed(value, field)):
        place = f"{field}[{number}]"
        if not isinstance(message, dict):
            raise Refused("not_a_message", place)
        role_key, text_key = ("from", "value") if "from" in message else ("role", "content")
        role = ROLES.get(str(message.get(role_key)).lower())
        if role is None:
            raise Refused("unknown_role", f"{place}.{role_key}", str(message.get(role_key))[:80])
        found.append((role, text(message.get(text_key), f"{place}.{text_key}")))
    return found


def prompt_of(said, field, system=""):
    """The prompt that a conversation ends in: system first, user and assistant in turn, the user last."""
    said = list(said)
    if said and said[0][0] == "system":
        if system and said[0][1] and system != said[0][1]:
            raise Refused("two_systems", field)
        system = system or said[0][1]
        said.pop(0)
    if any(role == "system" for role, _ in said):
        raise Refused("system_not_first", field)
    if not any(role == "user" for role, _ in said):
        raise Refused("no_user_turn", field)
    for number, (role, _) in enumerate(said):
        if role != ("user", "assistant")[number % 2]:
            raise Refused("not_alternating", field)
    if said[-1][0] != "user":
        raise Refused("ends_with_assistant", field)
    for number, (_, words) in enumerate(said):
        if not words.strip():
            raise Refused("empty_turn" if number < len(said) - 1 else "empty_prompt", field)
    return Prompt(instruction=said[-1][1], system=system, turns=tuple(said[:-1]))


def answered(said, field, system=""):
    """(prompt, answer) of a conversation that ends with the assistant."""
    if not said:
        raise Refused("no_user_turn", field)
    if said[-1][0] != "assistant":
        raise Refused("ends_with_user", field)
    return prompt_of(said[:-1], field, system), answer(said[-1][1], field)


def history(value, field="history"):
    """Earlier turns of Alpaca's `history`: a list of [user, answer]."""
    turns = []
    for number, pair in enumerate([] if value in (None, "") else listed(value, field)):
        if not isinstance(pair, list) or len(pair) != 2:
            raise Refused("not_a_pair", f"{field}[{number}]")
        for role, words in zip(("user", "assistant"), pair, strict=True):
            turns.append((role, filled(words, f"{field}[{number}]", "empty_turn")))
    return tuple(turns)


def prompt_key(obj):
    """The name under which a row keeps its prompt, or None."""
    for key in ("messages", "conversations", "conversation", *PROMPT_KEYS):
        if key in obj:
            return key
    return None


def prompt(obj):
    """The prompt of a row, from whichever keys it has: messages, a text, or Alpaca's instruction and input."""
    key = prompt_key(obj)
    if key is None:
        raise Refused("missing_field", "prompt")
    system = text(obj.get("system"), "system", required=False)
    value = obj[key]
    if key not in PROMPT_KEYS or message_list(obj, key):
        return prompt_of(messages(value, key), key, system)
    return Prompt(
        instruction=filled(value, key),
        input=text(obj.get("input"), "input", required=False),
        system=system,
        turns=history(obj.get("history")),
    )


def required(obj, *keys):
    """The value of the first of these keys that the row has; refused when it has none."""
    for key in keys:
        if key in obj:
            return obj[key]
    raise Refused("missing_field", keys[0])

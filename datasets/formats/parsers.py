"""The parts that the readers share: texts, prompts, conversations. Each refuses with reason and field."""

import json
import re

from datasets.formats.rows import Prompt, Refusal, TableRow

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


def parse_text(value, field, required=True):
    """The text itself, unchanged. Raises Refusal: no text, and what cannot be kept (NUL, a lone surrogate)."""
    if value is None:
        if required:
            raise Refusal("null_text", field)
        return ""
    if not isinstance(value, str):
        raise Refusal("not_text", field, type(value).__name__)
    if "\x00" in value:
        raise Refusal("bad_unicode", field, "NUL")
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Refusal("bad_unicode", field, f"U+{ord(value[error.start]):04X}") from None
    return value


def parse_filled_text(value, field, reason="empty_prompt"):
    """A text that holds more than blanks."""
    if not parse_text(value, field).strip():
        raise Refusal(reason, field)
    return value


def parse_answer(value, field):
    """The text of a response."""
    return parse_filled_text(value, field, "empty_answer")


def parse_name(value, field):
    """A source's or an annotator's name; a number is taken as its digits, nothing as ""."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    full_name = parse_text(value, field, required=False)
    if len(full_name) > 200:
        raise Refusal("name_too_long", field, "200")
    return full_name


def parse_number(value, field):
    """A number, in a table as its digits."""
    try:
        amount = float(value) if isinstance(value, str) else value
    except ValueError:
        amount = None
    if not isinstance(amount, int | float) or not -1e9 < amount < 1e9:
        raise Refusal("off_scale", field, str(value)[:80])
    return amount


def parse_scale_value(value, field, scale):
    """A number of a scale."""
    amount = parse_number(value, field)
    if amount not in scale:
        raise Refusal("off_scale", field, str(value)[:80])
    return int(amount)


def find_source(row):
    """Which model or person wrote a row's response, where the row says so."""
    key = next((key for key in SOURCE_KEYS if isinstance(row.get(key), str | int) and row[key] != ""), "source")
    return parse_name(row.get(key), key)


def has_rating(keys, row):
    """Whether the row says of its one answer how good it is (KTO's label, HelpSteer's ratings): a poor answer is no
    demonstration."""
    return len(keys & RATINGS) >= 2 or "kto_tag" in keys or str(row.get("label")).lower() in LABELS


def parse_label(value, field):
    """Whether an answer was called good: true or false, in a table as text, or 1 or 0."""
    if str(value).lower() not in LABELS:
        raise Refusal("off_scale", field, str(value)[:80])
    return LABELS[str(value).lower()]


def parse_list(value, field):
    """A list, or the list that a cell of a table holds as JSON."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Refusal("bad_json", field) from None
    if not isinstance(value, list):
        raise Refusal("not_a_list", field, type(value).__name__)
    return value


def is_message_list(row, key):
    """Whether this field holds a list of messages, in a table as JSON."""
    value = row.get(key)
    return isinstance(value, list) or (isinstance(row, TableRow) and bool(MESSAGES.match(value or "")))


def parse_messages(value, field):
    """[(role, text), …] of a list of messages in either spelling, roles as `system`, `user` or `assistant`."""
    transcript = []
    for number, message in enumerate(parse_list(value, field)):
        place = f"{field}[{number}]"
        if not isinstance(message, dict):
            raise Refusal("not_a_message", place)
        role_key, text_key = ("from", "value") if "from" in message else ("role", "content")
        role = ROLES.get(str(message.get(role_key)).lower())
        if role is None:
            raise Refusal("unknown_role", f"{place}.{role_key}", str(message.get(role_key))[:80])
        transcript.append((role, parse_text(message.get(text_key), f"{place}.{text_key}")))
    return transcript


def build_prompt(transcript, field, system=""):
    """The prompt that a conversation ends in: system first, user and assistant in turn, the user last."""
    transcript = list(transcript)
    if transcript and transcript[0][0] == "system":
        if system and transcript[0][1] and system != transcript[0][1]:
            raise Refusal("two_systems", field)
        system = system or transcript[0][1]
        transcript.pop(0)
    if any(role == "system" for role, _ in transcript):
        raise Refusal("system_not_first", field)
    if not any(role == "user" for role, _ in transcript):
        raise Refusal("no_user_turn", field)
    for number, (role, _) in enumerate(transcript):
        if role != ("user", "assistant")[number % 2]:
            raise Refusal("not_alternating", field)
    if transcript[-1][0] != "user":
        raise Refusal("ends_with_assistant", field)
    for number, (_, words) in enumerate(transcript):
        if not words.strip():
            raise Refusal("empty_turn" if number < len(transcript) - 1 else "empty_prompt", field)
    return Prompt(instruction=transcript[-1][1], system=system, turns=tuple(transcript[:-1]))


def split_answer(transcript, field, system=""):
    """(prompt, answer) of a conversation that ends with the assistant."""
    if not transcript:
        raise Refusal("no_user_turn", field)
    if transcript[-1][0] != "assistant":
        raise Refusal("ends_with_user", field)
    return build_prompt(transcript[:-1], field, system), parse_answer(transcript[-1][1], field)


def parse_history(value, field="history"):
    """Earlier turns of Alpaca's `history`: a list of [user, answer]."""
    turns = []
    for number, pair in enumerate([] if value in (None, "") else parse_list(value, field)):
        if not isinstance(pair, list) or len(pair) != 2:
            raise Refusal("not_a_pair", f"{field}[{number}]")
        for role, words in zip(("user", "assistant"), pair, strict=True):
            turns.append((role, parse_filled_text(words, f"{field}[{number}]", "empty_turn")))
    return tuple(turns)


def find_prompt_key(row):
    """The name under which a row keeps its prompt, or None."""
    for key in ("messages", "conversations", "conversation", *PROMPT_KEYS):
        if key in row:
            return key
    return None


def parse_prompt(row):
    """The prompt of a row, from whichever keys it has: messages, a text, or Alpaca's instruction and input."""
    key = find_prompt_key(row)
    if key is None:
        raise Refusal("missing_field", "prompt")
    system = parse_text(row.get("system"), "system", required=False)
    value = row[key]
    if key not in PROMPT_KEYS or is_message_list(row, key):
        return build_prompt(parse_messages(value, key), key, system)
    return Prompt(
        instruction=parse_filled_text(value, key),
        input=parse_text(row.get("input"), "input", required=False),
        system=system,
        turns=parse_history(row.get("history")),
    )


def require_field(row, *keys):
    """The value of the first of these keys that the row has; refused when it has none."""
    for key in keys:
        if key in row:
            return row[key]
    raise Refusal("missing_field", keys[0])

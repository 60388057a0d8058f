"""Parsers that the readers share: texts, names, numbers, prompts, conversations.

Each raises Refusal with the reason and the field; `field` is the path of the value in its row.
"""

import json
import re
from collections.abc import Container
from typing import Any

from datasets.formats.dialogues import is_dialogue, parse_dialogue
from datasets.formats.rows import Prompt, RawRow, Refusal, TableRow, Turn
from datasets.formats.vocabulary import (
    ALL_CONTEXT_KEYS,
    ALL_PROMPT_KEYS,
    ALL_SYSTEM_KEYS,
    CONTEXT_KEYS,
    CONVERSATION_KEYS,
    LABELS,
    PART_REASONS,
    RATINGS,
    SOURCE_KEYS,
    SYSTEM_KEYS,
    TOOL_ROLES,
    UNREADABLE,
)
from datasets.formats.vocabulary import PROMPT_KEYS as PROMPT_KEYS
from datasets.formats.vocabulary import ROLES as ROLES

MESSAGES = re.compile(r"""\s*(?:array\()?\[\s*\{\s*["'](role|from|content|value)["']""")
PRINTED_MESSAGES = re.compile(r"""\s*(?:array\()?\[\s*\{\s*'""")  # by Python or numpy


def parse_text(value: object, field: str, required: bool = True) -> str:
    """The text, unchanged; null is "" unless required.

    Raises Refusal for anything else, and for text that cannot be stored (NUL, a lone surrogate).
    """
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


def parse_filled_text(value: object, field: str, reason: str = "empty_prompt") -> str:
    """A text that is not blank."""
    text = parse_text(value, field)
    if not text.strip():
        raise Refusal(reason, field)
    return text


def parse_answer(value: object, field: str) -> str:
    """The text of a response."""
    return parse_filled_text(value, field, "empty_answer")


def parse_name(value: object, field: str) -> str:
    """The name of a source or an annotator: at most 200 characters, "" for null, an integer as its digits."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    full_name = parse_text(value, field, required=False)
    if len(full_name) > 200:
        raise Refusal("name_too_long", field, "200")
    return full_name


def parse_number(value: object, field: str) -> float:
    """A number, also written as text in a table; its absolute value is below 1e9."""
    try:
        amount: object = float(value) if isinstance(value, str) else value
    except ValueError:
        amount = None
    if not isinstance(amount, int | float) or not -1e9 < amount < 1e9:
        raise Refusal("off_scale", field, str(value)[:80])
    return amount


def parse_scale_value(value: object, field: str, scale: Container[int]) -> int:
    """A number of this scale."""
    amount = parse_number(value, field)
    if amount not in scale:
        raise Refusal("off_scale", field, str(value)[:80])
    return int(amount)


def find_source(row: RawRow, keys: tuple[str, ...] = SOURCE_KEYS) -> str:
    """The model or person that wrote the response of a row, "" if the row does not say."""
    key = next((key for key in keys if isinstance(row.get(key), str | int) and row[key] != ""), keys[0])
    return parse_name(row.get(key), key)


def has_label(row: RawRow) -> bool:
    """Whether the row labels its one answer good or bad (KTO).

    >>> has_label({"label": "desirable"}), has_label({"label": "B"})
    (True, False)
    """
    return "kto_tag" in row or ("label" in row and str(row["label"]).strip().lower() in LABELS)


def has_rating(keys: set[str], row: RawRow) -> bool:
    """Whether the row rates its one answer (KTO's label, HelpSteer's ratings).

    Such a row is not a demonstration, as the answer may be a poor one.
    """
    return len(keys & RATINGS) >= 2 or has_label(row)


def parse_label(value: object, field: str) -> bool:
    """Whether an answer is labelled good, by one of the words or numbers of LABELS.

    >>> parse_label("Undesirable", "label"), parse_label(1.0, "label")
    (False, True)
    """
    label = LABELS.get(str(value).strip().lower())
    if label is None:
        raise Refusal("off_scale", field, str(value)[:80])
    return label


def peek_value(row: RawRow, key: str) -> Any:
    """The value of a field, or None; an import that notes which fields a reader reads does not notice."""
    return dict.get(row, key)


def parse_list(value: object, field: str) -> list[Any]:
    """A list, also as JSON in a cell of a table."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "array(")):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Refusal("bad_json", field) from None
    if not isinstance(value, list):
        raise Refusal("not_a_list", field, type(value).__name__)
    return value


def is_message_list(row: RawRow, key: str) -> bool:
    """Whether this field holds a list of messages, also as text."""
    value = row.get(key)
    return isinstance(value, list) or (isinstance(value, str) and is_message_text(value, isinstance(row, TableRow)))


def is_message_text(text: str, in_table: bool = False) -> bool:
    """Whether a text is a list of messages, as JSON or as Python or numpy print it (which parse_list refuses).

    in_table: whether the beginning is enough, so that broken JSON is refused rather than kept as a text.

    >>> is_message_text('[{"role": "user", "content": "Hi"}]'), is_message_text('[{"name": "Phobos"}]')
    (True, False)
    """
    if "[" not in text[:80] or not MESSAGES.match(text):
        return False
    if in_table:
        return True
    if PRINTED_MESSAGES.match(text):
        return text.rstrip().endswith(("]", ")"))
    try:
        messages = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return all(
        isinstance(message, dict) and ({"role", "content"} <= message.keys() or {"from", "value"} <= message.keys())
        for message in messages
    )


def parse_messages(value: object, field: str) -> list[Turn]:
    """The turns of a list of messages in OpenAI's, ShareGPT's or XTuner's spelling."""
    transcript: list[Turn] = []
    for number, message in enumerate(parse_list(value, field)):
        place = f"{field}[{number}]"
        if not isinstance(message, dict):
            raise Refusal("not_a_message", place)
        if len(message) > 2:
            check_readable(message, place)
        role_key, text_key = ("from", "value") if "from" in message else ("role", "content")
        word = message.get(role_key)
        role = ROLES.get(str(word).lower())
        if role is None:
            if word is None and ("output" in message or "assistant" in message):
                transcript += parse_exchange(message, place, transcript)
                continue
            reason = "tools" if str(word).lower() in TOOL_ROLES else "unknown_role"
            raise Refusal(reason, f"{place}.{role_key}", str(word)[:80])
        transcript.append((role, parse_content(message.get(text_key), f"{place}.{text_key}")))
    return transcript


def check_readable(message: RawRow, place: str) -> None:
    """Refuses a message or a response with tool calls, reasoning or pictures beside its text."""
    for key in message:
        if key in UNREADABLE and message[key]:
            raise Refusal(UNREADABLE[key], f"{place}.{key}")


def parse_content(value: object, field: str) -> str:
    """The text of a message; a content of several text parts is joined."""
    return join_parts(value, field) if isinstance(value, list) else parse_text(value, field)


def join_parts(parts: list[Any], field: str) -> str:
    """The text of the content parts of a message. Refuses parts that are not texts."""
    texts = []
    for number, part in enumerate(parts):
        place = f"{field}[{number}]"
        kind = str(part.get("type") or "text").lower() if isinstance(part, dict) else ""
        if reason := next((reason for pattern, reason in PART_REASONS if pattern.search(kind)), None):
            raise Refusal(reason, place, kind[:80])
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            raise Refusal("not_text", place)
        check_readable(part, place)
        texts.append(parse_text(part["text"], place))
    return "".join(texts)


def parse_exchange(message: RawRow, place: str, transcript: list[Turn]) -> list[Turn]:
    """The turns of an object of XTuner, `input` and `output`, or of ms-swift, `human` and `assistant`.

    `system` may stand beside them, and may be repeated.

    transcript: the turns before it.
    """
    asked, answered = ("input", "output") if "output" in message else ("human", "assistant")
    turns = [
        ("user", parse_text(message.get(asked), f"{place}.{asked}")),
        ("assistant", parse_text(message[answered], f"{place}.{answered}")),
    ]
    system = parse_text(message.get("system"), f"{place}.system", required=False)
    return turns if not system or ("system", system) in transcript[:1] else [("system", system), *turns]


def build_prompt(transcript: list[Turn], field: str, system: str = "") -> Prompt:
    """The prompt of a conversation: a system turn first, if any, then turns of user and assistant, the user last.

    The turns need not alternate, see is_alternating.

    system: the system text that the row states elsewhere.
    """
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
    if transcript[-1][0] != "user":
        raise Refusal("ends_with_assistant", field)
    for number, (_, words) in enumerate(transcript):
        if not words.strip():
            raise Refusal("empty_turn" if number < len(transcript) - 1 else "empty_prompt", field)
    return Prompt(instruction=transcript[-1][1], system=system, turns=tuple(transcript[:-1]))


def is_alternating(prompt: Prompt) -> bool:
    """Whether user and assistant take turns, the user first and last.

    >>> is_alternating(Prompt("Hi")), is_alternating(Prompt("Hi", turns=(("assistant", "Welcome!"),)))
    (True, False)
    """
    turns = prompt.turns
    return len(turns) % 2 == 0 and all(role == ("user", "assistant")[n % 2] for n, (role, _) in enumerate(turns))


def join_turns(prompt: Prompt) -> Prompt:
    """The prompt with consecutive turns of one side joined by an empty line.

    >>> join_turns(Prompt("Are you there?", turns=(("user", "Hello?"),))).instruction
    'Hello?\\n\\nAre you there?'
    """
    turns: list[Turn] = []
    for role, words in (*prompt.turns, ("user", prompt.instruction)):
        if turns and turns[-1][0] == role:
            words = f"{turns.pop()[1]}\n\n{words}"
        turns.append((role, words))
    return prompt._replace(instruction=turns.pop()[1], turns=tuple(turns))


def split_answer(transcript: list[Turn], field: str, system: str = "") -> tuple[Prompt, str]:
    """(prompt, answer) of a conversation that ends with the assistant."""
    if not transcript:
        raise Refusal("no_user_turn", field)
    if transcript[-1][0] != "assistant":
        raise Refusal("ends_with_user", field)
    return build_prompt(transcript[:-1], field, system), parse_answer(transcript[-1][1], field)


def parse_history(value: object, field: str = "history") -> tuple[Turn, ...]:
    """The earlier turns in Alpaca's `history`, a list of [user, answer]."""
    turns: list[Turn] = []
    for number, pair in enumerate([] if value in (None, "") else parse_list(value, field)):
        if not isinstance(pair, list) or len(pair) != 2:
            raise Refusal("not_a_pair", f"{field}[{number}]")
        for role, words in zip(("user", "assistant"), pair, strict=True):
            turns.append((role, parse_filled_text(words, f"{field}[{number}]", "empty_turn")))
    return tuple(turns)


def find_prompt_key(row: Container[str]) -> str | None:
    """The key of the prompt in a row, or None. `input` is the prompt where there is no other."""
    for key in ALL_PROMPT_KEYS:
        if key in row:
            return key
    return None


def parse_prompt(row: RawRow) -> Prompt:
    """The prompt of a row: from messages, a text, or Alpaca's instruction and input."""
    key = find_prompt_key(row)
    if key is None:
        raise Refusal("missing_field", "prompt")
    system = parse_system(row)
    value = row[key]
    if key in CONVERSATION_KEYS or is_message_list(row, key):
        return build_prompt(parse_messages(value, key), key, system)
    text = parse_filled_text(value, key)
    history = parse_history(row.get("history"))
    given_input = parse_input(row, key)
    if is_dialogue(text):
        prompt = build_prompt([*history, *parse_dialogue(text)], key, system)
        return prompt._replace(input=given_input) if given_input else prompt
    return Prompt(text, given_input, system, history)


def parse_system(row: RawRow) -> str:
    """The system text that a row states in a column, or ""."""
    if ALL_SYSTEM_KEYS.isdisjoint(row):
        return ""
    system = ""
    for key in SYSTEM_KEYS:
        if key in row:
            words = parse_text(row[key], key, required=False)
            if words and system and words != system:
                raise Refusal("two_systems", key)
            system = system or words
    return system


def parse_input(row: RawRow, prompt_key: str = "") -> str:
    """The input of a row: `input`, unless it is the prompt, after a context or passage that the row has as text."""
    if ALL_CONTEXT_KEYS.isdisjoint(row):
        return "" if prompt_key == "input" else parse_text(row.get("input"), "input", required=False)
    texts = []
    for key in CONTEXT_KEYS:
        if key in row and isinstance(peek_value(row, key), str | None):
            texts.append(parse_text(row[key], key, required=False))
    if prompt_key != "input":
        texts.append(parse_text(row.get("input"), "input", required=False))
    return "\n\n".join(text for text in texts if text)


def drop_blank(row: RawRow, answer: str) -> str:
    """The answer without the blank that follows the colon of a prompt that is a dialogue."""
    if answer[:1] == " ":
        text = peek_value(row, find_prompt_key(row) or "")
        if isinstance(text, str) and is_dialogue(text):
            return answer[1:]
    return answer


def require_field(row: RawRow, *keys: str) -> Any:
    """The value of the first of these keys that the row has; raises Refusal if it has none."""
    for key in keys:
        if key in row:
            return row[key]
    raise Refusal("missing_field", keys[0])

"""A prompt and its answer as tracing tools store them: any JSON, in which a text or a list of messages is plain."""

import json
from typing import Any

from datasets.formats import parsers
from datasets.formats.rows import DEMONSTRATION, PROMPT, Prompt, RawRow, Refusal, Response, Row, Turn
from datasets.formats.vocabulary import CONVERSATION_KEYS, TEXT_PROMPT_KEYS

ANSWER_FIELDS = ("output", "answer", "response", "completion", "text", "content", "result", "expected_output")
SPEAKERS = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "function"}
WRAPPERS = ("message", "messages", "output", "choices", "generations")


def read_exchange(question: Any, answer: Any, question_field: str, answer_field: str) -> Row:
    """The demonstration of an input and its output; without an output a prompt."""
    prompt = parse_question(load_text(question), question_field)
    if answer in (None, "", {}, []):
        return Row(prompt, (), PROMPT)
    return Row(prompt, (Response(parse_reply(load_text(answer), answer_field)),), DEMONSTRATION)


def load_text(value: Any) -> Any:
    """The value, or the object or list that it holds as JSON text."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def parse_question(value: Any, field: str) -> Prompt:
    """The prompt of an input: a text, messages, or an object with either."""
    if isinstance(value, str):
        return Prompt(parsers.parse_filled_text(value, field))
    if isinstance(value, list):
        return parsers.build_prompt(parse_spoken(value, field), field)
    if not isinstance(value, dict):
        raise Refusal("not_text", field, type(value).__name__)
    parsers.check_readable(value, field)
    for key in CONVERSATION_KEYS:
        if isinstance(value.get(key), list):
            turns = value[key][0] if value[key] and isinstance(value[key][0], list) else value[key]
            system = parsers.parse_system(value)
            return parsers.build_prompt(parse_spoken(turns, f"{field}.{key}"), f"{field}.{key}", system)
    if parsers.find_prompt_key(value) is None:
        return Prompt(parsers.parse_filled_text(value[find_only_text(value, field)], field))
    try:
        return parsers.parse_prompt(value)
    except Refusal as refusal:
        raise Refusal(refusal.reason, f"{field}.{refusal.field}", refusal.detail) from None


def find_only_text(value: RawRow, field: str) -> str:
    """The key of the only text of an object. Refuses one with several."""
    keys = [key for key in value if isinstance(value[key], str)]
    if len(keys) != 1:
        raise Refusal("missing_field", f"{field}.{TEXT_PROMPT_KEYS[0]}")
    return keys[0]


def parse_reply(value: Any, field: str) -> str:
    """The text of an output: a text, a message, or an object with either."""
    if isinstance(value, str):
        return parsers.parse_answer(value, field)
    if isinstance(value, list) and value:
        return parse_reply(value[-1], f"{field}[{len(value) - 1}]")
    if not isinstance(value, dict):
        raise Refusal("not_text", field, type(value).__name__)
    parsers.check_readable(value, field)
    if "kwargs" in value or "role" in value or value.get("type") in SPEAKERS:
        ((role, words),) = parse_spoken([value], field)
        if role != "assistant":
            raise Refusal("not_one_answer", field)
        return parsers.parse_answer(words, field)
    key = next((key for key in (*WRAPPERS, *ANSWER_FIELDS) if value.get(key)), None)
    return parse_reply(value[key or find_only_text(value, field)], f"{field}.{key}")


def parse_spoken(value: list[Any], field: str) -> list[Turn]:
    """The turns of messages in OpenAI's spelling or LangChain's."""
    return parsers.parse_messages([convert_message(message) for message in value], field)


def convert_message(message: Any) -> Any:
    """A message of LangChain in OpenAI's spelling; any other unchanged."""
    if not isinstance(message, dict) or "role" in message:
        return message
    name = message["id"][-1] if isinstance(message.get("id"), list) and message["id"] else message.get("type")
    body = next((message[key] for key in ("kwargs", "data") if isinstance(message.get(key), dict)), message)
    speaker = str(name).lower().removesuffix("chunk").removesuffix("message")
    calls = body.get("tool_calls") or (body.get("additional_kwargs") or {}).get("tool_calls")
    return {"role": SPEAKERS.get(speaker, speaker), "content": body.get("content"), "tool_calls": calls}

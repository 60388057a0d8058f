"""Helpers of the writers: a prompt as text, turns, messages or history."""

from collections.abc import Iterable, Sequence
from typing import TypedDict

from datasets.formats.parsers import is_alternating
from datasets.formats.rows import Omission, Prompt, Turn

SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}
ShareGPTTurn = TypedDict("ShareGPTTurn", {"from": str, "value": str})


class Message(TypedDict):
    role: str
    content: str


def join_user_text(prompt: Prompt) -> str:
    """The last user turn as one text: `instruction\\ninput`, or the instruction alone.

    LLaMA-Factory and ms-swift join them so (FORMATS.md section 3).
    """
    return f"{prompt.instruction}\n{prompt.input}" if prompt.input else prompt.instruction


def build_turns(prompt: Prompt) -> list[Turn]:
    """The turns of the whole prompt: system, earlier turns, the last user turn."""
    system = [("system", prompt.system)] if prompt.system else []
    return [*system, *prompt.turns, ("user", join_user_text(prompt))]


def build_answer(text: str, turns: Sequence[Turn]) -> Sequence[Turn]:
    """The turns of an answer: its own if it has several, else one of the assistant."""
    return turns or (("assistant", text),)


def require_alternation(prompt: Prompt) -> None:
    """Raises Omission if the turns of the prompt do not alternate: readers of the dialect drop such rows."""
    if not is_alternating(prompt):
        raise Omission("not_alternating")


def build_message(role: str, words: str) -> Message:
    """A turn in OpenAI's spelling."""
    return {"role": role, "content": words}


def build_messages(transcript: Iterable[Turn]) -> list[Message]:
    """A conversation in OpenAI's spelling."""
    return [build_message(role, words) for role, words in transcript]


def build_sharegpt(transcript: Iterable[Turn]) -> list[ShareGPTTurn]:
    """A conversation in ShareGPT's spelling."""
    return [build_sharegpt_turn(role, words) for role, words in transcript]


def build_sharegpt_turn(role: str, words: str) -> ShareGPTTurn:
    """A turn in ShareGPT's spelling."""
    return {"from": SPEAKERS[role], "value": words}


def build_history(prompt: Prompt) -> list[list[str]]:
    """The earlier turns in Alpaca's spelling: [[user's text, answer], …].

    The turns alternate and start with the user.
    """
    texts = [words for _, words in prompt.turns]
    return [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]

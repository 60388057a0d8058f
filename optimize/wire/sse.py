"""Streamed answers: server-sent events, and the parts of an answer that their chunks hold."""

from collections.abc import Iterable, Iterator
from typing import Any


def iter_data(pieces: Iterable[bytes]) -> Iterator[str]:
    """The data of each event of a stream, which comes in any pieces. Comments and other fields are skipped.

    >>> list(iter_data([b": hi", b"\\ndata: {\\"a\\":", b" 1}\\n\\ndata: [DONE]"]))
    ['{"a": 1}', '[DONE]']
    """
    rest, data = b"", list[str]()
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n") if b"\n" in piece else [rest + piece]
        for line in lines:
            yield from take_line(line, data)
    yield from take_line(rest, data)
    yield from take_line(b"", data)


def take_line(line: bytes, data: list[str]) -> Iterator[str]:
    """Takes one line of a stream; an empty one ends the event whose data have been collected."""
    line = line.rstrip(b"\r")
    if line.startswith(b"data:"):
        data.append(line[5:].removeprefix(b" ").decode("utf-8", "surrogateescape"))
    elif not line and data:
        yield "\n".join(data)
        data.clear()


class Collected:
    """What the chunks of one answer, or a whole reply, say together."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.finish, self.error = "", ""
        self.usage: dict[str, Any] = {}
        self.is_done = self.had_choice = False

    @property
    def has_text(self) -> bool:
        """Whether a part of the answer, or of its reasoning, has come."""
        return bool(self.text or self.reasoning)

    def add(self, chunk: dict[str, Any]) -> None:
        """Adds a chunk. Some have no choices: with the usage, or as a sign of life."""
        if error := chunk.get("error"):
            message = error.get("message") if isinstance(error, dict) else error
            self.error = str(message or error)
        if isinstance(chunk.get("usage"), dict):
            self.usage = chunk["usage"]
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and not choice.get("index"):
                self.add_choice(choice)

    def add_choice(self, choice: dict[str, Any]) -> None:
        """Adds the first choice of a chunk or reply; servers that send more were not asked for them."""
        self.had_choice = True
        if isinstance(choice.get("finish_reason"), str):
            self.finish = choice["finish_reason"]
        message = choice.get("delta") or choice.get("message") or {}
        if not isinstance(message, dict):
            return
        if text := join_content(message.get("content")):
            self.text.append(text)
        # DeepSeek and transformers write `reasoning_content`, vLLM `reasoning`; some send both with the same words.
        if thought := join_content(message.get("reasoning")) or join_content(message.get("reasoning_content")):
            self.reasoning.append(thought)


def join_content(content: Any) -> str:
    """The text of a message's content: a text, or a list of parts with text.

    >>> join_content([{"type": "text", "text": "Io"}, {"type": "text", "text": "."}]), join_content(None)
    ('Io.', '')
    """
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""

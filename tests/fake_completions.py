"""What the fake endpoint answers: completions, errors, and everything that real servers do wrong."""

import dataclasses
import email.utils
import hashlib
import http.client
import itertools
import json
import math
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

MODELS = ("fake-small", "fake-large")
CHAT = "/v1/chat/completions"
PAGE = b"<!doctype html><title>Sign in</title><h1>Sign in</h1>"
SSE, JSON = "text/event-stream", "application/json"
GIGABYTE, BLOCK = 1 << 30, 1 << 20
THINKING = "First I think about the question, and then I answer it."
WHO = ("We", "My sister", "The guide", "Two friends", "The whole class", "Grandfather", "Our team", "A painter")
DID = ("walked to", "slept near", "drew", "took the slow train to", "asked about", "found", "left", "talked about")
WHERE = ("the quiet beach", "the old bridge", "the night market", "a lake", "the last island", "a tea house")
WHEN = ("at dawn", "in the rain", "after lunch", "on Sunday", "before the feast", "in spring", "without a map")


@dataclasses.dataclass
class Quirks:
    """What the server does wrong. Requests to the chat path are numbered 1, 2, 3 …; NAME_every=k applies to each k-th.

    every={"bomb": 50} limits any other quirk to each 50th request. Where several quirks with such a period apply to one
    request, only the one with the longest period is used: stalled_every=50 is not hidden by limited_every=5."""

    limited_every: int = 0  # 429
    limited_for: float | str | None = 1  # its Retry-After: seconds, or a text sent as it is; None: no such header
    limited_date: bool = False  # Retry-After as a date
    failing_every: int = 0  # 500
    status: int = 0  # this error for every request, and for the list of models
    error_text: str | None = None  # the message of each error
    echo_key: bool = False  # each error repeats the Authorization header
    redirected_to: str | None = None  # 307 to this address, from every path
    refuse_path: str | None = None  # 404 for paths that begin with this
    refuse_stream_options: bool = False  # 400
    models_fail: bool = False  # 500 for the list of models
    keep_alive: bool = True
    every: dict[str, int] = dataclasses.field(default_factory=dict)  # {name: period}
    stall_at: str = "chunk"  # after the headers and one chunk; "headers": after the headers; "start": before them
    stall_s: float = 60
    drip_headers: bool = False  # drip_s applies to the headers too
    stalled_every: int = 0  # waits stall_s, then goes on
    closed_every: int = 0  # closes the connection after half of the text
    nul_every: int = 0  # U+0000 in the text
    surrogate_every: int = 0  # a lone surrogate in the text, as the JSON escape \ud800
    text: str | None = None  # a fixed answer
    finish: str = "stop"
    reasoning_field: str | None = None  # thinking in "reasoning" or "reasoning_content"; "both": in turn
    without_usage: bool = False
    empty_choices: bool = False  # chunks with `choices: []` and no id, between the others
    no_choices: bool = False  # nothing but such chunks; `choices: []` if not streamed
    content_null: bool = False
    content_parts: bool = False  # the content is a list of {"type": "text", "text": …}
    too_long: int = 0  # the text has this many bytes
    bomb: int = 0  # the body is this many bytes of zeros, compressed; True: 1 GB
    not_json: bool = False  # HTML with status 200
    no_stream: bool = False  # one JSON body although a stream was wanted
    delay_s: float = 0  # before an answer begins
    drip_s: float = 0  # the body arrives byte by byte, one in this time

    def __post_init__(self) -> None:
        if unknown := set(self.every) - set(DEFAULTS):
            raise TypeError(f"no such quirks: {unknown}")

    def choose(self, number: int) -> "Quirks":
        """The quirks of the request with this number; 0: a request to another path."""
        periods = {name: getattr(self, name) for name in DEFAULTS if name.endswith("_every")} | self.every
        periods = {name: period for name, period in periods.items() if period}
        if not periods:
            return self
        due = [(period, name) for name, period in periods.items() if number and number % period == 0]
        chosen = max(due)[1] if due else None
        off: dict[str, Any] = {name: DEFAULTS[name] for name in periods if name != chosen}
        return dataclasses.replace(self, **off, every={})

    def list_changes(self) -> list[str]:
        """The names of the quirks that change answers with status 200."""
        return [name for name in OF_ANSWERS if getattr(self, name) != DEFAULTS[name]]


DEFAULTS = {field.name: field.default for field in dataclasses.fields(Quirks)}
OF_ANSWERS = list(DEFAULTS)[list(DEFAULTS).index("stalled_every") :]


@dataclasses.dataclass
class Answer:
    """What is sent. `length` is the Content-Length, None for a chunked body; `cut`: the connection ends early."""

    status: int
    pieces: Iterable[bytes]
    kind: str = JSON
    length: int | None = None
    headers: dict[str, Any] = dataclasses.field(default_factory=dict)
    cut: bool = False


def write_text(model: Any, messages: Any, seed: Any) -> str:
    """The answer to these messages: always the same for the same seed, and another for another seed."""
    digest = hashlib.blake2b(json.dumps([model, messages, seed]).encode(), digest_size=8).digest()
    words = [options[byte % len(options)] for options, byte in zip((WHO, DID, WHERE, WHEN), digest, strict=False)]
    return f"{' '.join(words)}, and paid {int.from_bytes(digest[4:]) % 1_000_000:,} coins."


def encode(value: Any) -> bytes:
    """JSON in UTF-8; only ASCII where it holds a lone surrogate."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def build_json(value: Any, status: int = 200, headers: dict[str, Any] | None = None) -> Answer:
    body = encode(value)
    return Answer(status, [body], length=len(body), headers=headers or {})


def iter_bomb(size: int) -> Iterator[bytes]:
    """A gzip file of zeros. After a full flush equal blocks have equal bytes: one block is compressed, and repeated."""
    packer, zeros, crc = zlib.compressobj(9, zlib.DEFLATED, -15), bytes(BLOCK), 0
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    yield b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    for _ in range(size // BLOCK):
        crc = zlib.crc32(zeros, crc)
        yield block
    rest = zeros[: size % BLOCK]
    yield packer.compress(rest) + packer.flush()
    yield zlib.crc32(rest, crc).to_bytes(4, "little") + (size % (1 << 32)).to_bytes(4, "little")


def refuse(request: dict[str, Any], quirks: Quirks) -> Answer | None:
    """What is sent instead of a completion; None if there is one. Notes in the request which quirk did it."""
    path, body = request["path"], request["body"]
    headers: dict[str, Any] = {}
    is_list = path == "/v1/models" and request["method"] == "GET"
    is_chat = isinstance(body, dict) and bool(body.get("messages"))
    if quirks.redirected_to:
        headers = {"Location": quirks.redirected_to}
    elif quirks.limited_every and quirks.limited_for is not None:
        headers = {"Retry-After": quirks.limited_for}
        if quirks.limited_date:
            until = math.ceil(time.time() + float(quirks.limited_for))
            headers = {"Retry-After": email.utils.formatdate(until, usegmt=True)}
    is_refused = bool(quirks.refuse_path and path.startswith(quirks.refuse_path))
    for name, applies, status in (
        ("refuse_path", is_refused, 404),
        ("redirected_to", quirks.redirected_to, 307),
        ("limited_every", quirks.limited_every, 429),
        ("failing_every", quirks.failing_every, 500),
        ("status", quirks.status, quirks.status),
        ("models_fail", quirks.models_fail and is_list, 500),
        ("no such path", not is_list and not request["number"], 404),
        ("no messages", not is_list and not is_chat, 400),
        ("refuse_stream_options", quirks.refuse_stream_options and is_chat and "stream_options" in body, 400),
    ):
        if applies:
            request["did"].append(name)
            key = request["headers"].get("authorization", "") if quirks.echo_key else ""
            message = f"{quirks.error_text or f'refused: {name}'} {key}".strip()
            return build_json({"error": {"message": message, "type": "fake_error", "code": status}}, status, headers)
    if is_list:
        return build_json({"object": "list", "data": [{"id": model, "object": "model"} for model in MODELS]})
    request["did"] += quirks.list_changes()
    if quirks.bomb:
        pieces = iter_bomb(GIGABYTE if quirks.bomb is True else quirks.bomb)
        return Answer(200, pieces, SSE if body.get("stream") else JSON, headers={"Content-Encoding": "gzip"})
    if quirks.not_json:
        return Answer(200, [PAGE], "text/html", len(PAGE))
    return None


def write_head(answer: Answer, quirks: Quirks) -> bytes:
    length = "Transfer-Encoding: chunked" if answer.length is None else f"Content-Length: {answer.length}"
    lines = [f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, 'Other')}", length]
    headers = {"Content-Type": answer.kind, **answer.headers}
    lines += [f"{name}: {value}" for name, value in headers.items()] + ["Connection: close"] * (not quirks.keep_alive)
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def split_body(answer: Answer) -> Iterator[bytes]:
    """The body, as it is sent, in parts."""
    for piece in answer.pieces:
        yield piece if answer.length is not None else b"%x\r\n%b\r\n" % (len(piece), piece)
    if answer.length is None and not answer.cut:
        yield b"0\r\n\r\n"


class Completion:
    """One completion, streamed or not."""

    def __init__(self, request: dict[str, Any], quirks: Quirks) -> None:
        self.quirks, self.body, self.cut = quirks, request["body"], bool(quirks.closed_every)
        model, messages, number = self.body.get("model"), self.body["messages"], request["number"]
        text = write_text(model, messages, self.body.get("seed")) if quirks.text is None else quirks.text
        sign = "\0" if quirks.nul_every else "\ud800" if quirks.surrogate_every else ""
        self.text = f"{text[:7]}{sign}{text[7:]}"
        self.field = quirks.reasoning_field
        if self.field == "both":
            self.field = "reasoning" if number % 2 else "reasoning_content"
        self.common = {"id": f"chatcmpl-{number}", "created": int(time.time()), "model": model}
        asked, said = len(str(messages).split()), len(self.text.split())
        self.usage = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}

    def build(self) -> Answer:
        if not self.body.get("stream") or self.quirks.no_stream:
            return self.build_whole()
        events = self.iter_events()
        return Answer(200, events if self.quirks.too_long else list(events), SSE, cut=self.cut)

    def build_whole(self) -> Answer:
        message: dict[str, Any] = {"role": "assistant", "content": self.wrap(self.text)}
        if self.field:
            message[self.field] = THINKING
        choices = [{"index": 0, "message": message, "finish_reason": self.quirks.finish}]
        whole = {**self.common, "object": "chat.completion", "choices": [] if self.quirks.no_choices else choices}
        if not self.quirks.without_usage:
            whole["usage"] = self.usage
        if self.quirks.too_long:
            message["content"] = "%"
            start, end = encode(whole).split(b"%")
            return Answer(200, itertools.chain([start], map(str.encode, self.iter_text()), [end]))
        body = encode(whole)
        return Answer(200, [body[: len(body) // 2] if self.cut else body], length=len(body), cut=self.cut)

    def wrap(self, text: str) -> Any:
        """The content of a message or delta that holds this text."""
        if self.quirks.content_null:
            return None
        parts = (text[: len(text) // 2], text[len(text) // 2 :])
        return [{"type": "text", "text": part} for part in parts] if self.quirks.content_parts else text

    def iter_text(self) -> Iterator[str]:
        """The text in pieces; the first half of it if the connection is to be closed."""
        length = (self.quirks.too_long or len(self.text)) // (2 if self.cut else 1)
        for start in range(0, length, step := 10_000 if self.quirks.too_long else 8):
            end = min(start + step, length)
            yield ("more and " * 1200)[: end - start] if self.quirks.too_long else self.text[start:end]

    def iter_deltas(self) -> Iterator[dict[str, Any]]:
        yield {"role": "assistant", "content": self.wrap("")}
        if self.field:
            yield from ({self.field: part} for part in (THINKING[:20], THINKING[20:]))
        yield from ({"content": self.wrap(piece)} for piece in self.iter_text())
        if not self.cut:
            yield {}

    def iter_events(self) -> Iterator[bytes]:
        common = {**self.common, "object": "chat.completion.chunk"}
        for delta in self.iter_deltas():
            if not self.quirks.no_choices:
                choice = {"index": 0, "delta": delta, "finish_reason": None if delta else self.quirks.finish}
                yield b"data: %b\n\n" % encode({**common, "choices": [choice]})
            if self.quirks.no_choices or self.quirks.empty_choices:
                yield b"data: %b\n\n" % encode({**common, "id": "", "choices": []})
        if self.cut:
            return
        if (self.body.get("stream_options") or {}).get("include_usage") and not self.quirks.without_usage:
            yield b"data: %b\n\n" % encode({**common, "choices": [], "usage": self.usage})
        yield b"data: [DONE]\n\n"

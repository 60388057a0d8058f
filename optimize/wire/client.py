"""Asks a server that speaks OpenAI's chat API for one answer.

httpcore2 follows no redirect, sends no cookie, reads no proxy or key from the environment, and decompresses nothing.
Each request asks for one answer: many servers ignore `n` without a word, others refuse it.
"""

import json
import math
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import httpcore2

from optimize.wire import demo_bot, sse
from optimize.wire.addresses import CheckedBackend, Deadline, ForbiddenAddress, Network, TooManyBytes
from optimize.wire.keys import hide_secrets

LONGEST_ERROR_BODY = 1 << 14  # bytes of an error that are read
LONGEST_RETRY_AFTER = 60.0  # seconds
RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
CODES = {400: "bad_request", 401: "unauthorized", 403: "unauthorized", 404: "not_found", 413: "prompt_too_long"}


class RequestFailed(Exception):
    """A request brought no answer.

    code: a code of optimize.reasons.
    detail: what the server said, without secrets.
    may_retry: whether the same request may succeed soon: nothing of an answer had arrived.
    retry_after: seconds that the server asks to wait; None if it does not say.
    """

    def __init__(self, code: str, detail: str = "", may_retry: bool = False, retry_after: float | None = None) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code, self.detail, self.may_retry, self.retry_after = code, detail, may_retry, retry_after


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes, and its limits.

    base_url: up to `/chat/completions`.
    first_byte_s: seconds until the first byte of the answer.
    total_s: seconds until its last byte.
    max_bytes: bytes of the whole response.
    streams: whether to ask for a stream; with it, a server that stalls is noticed at once.
    tells_usage: whether the server takes `stream_options`.
    """

    base_url: str
    key: str = field(default="", repr=False)
    first_byte_s: float = 60.0
    total_s: float = 300.0
    max_bytes: int = 4 << 20
    streams: bool = True
    tells_usage: bool = True


class Completion(NamedTuple):
    """One answer.

    reasoning: what the model thought first, from `reasoning` or `reasoning_content`; never part of the text.
    finish: why the model stopped, as the server says it: `stop`, `length`; "" if it does not say.
    tokens_in, tokens_out, tokens_cached: None where the server does not tell.
    first_ms, ms: milliseconds until the first part of the answer, and until its end.
    """

    text: str
    reasoning: str = ""
    finish: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    first_ms: int = 0
    ms: int = 0


class Client:
    """Connections to endpoints, shared by threads.

    networks: private networks in which an endpoint may be.
    at_once: most connections.
    """

    def __init__(self, networks: Sequence[Network], at_once: int = 8) -> None:
        self.deadline = Deadline()
        self.pool = httpcore2.ConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=at_once,
            max_keepalive_connections=at_once,
            keepalive_expiry=4,  # seconds; uvicorn closes idle connections after five
            network_backend=CheckedBackend(networks, self.deadline),
        )

    def close(self) -> None:
        self.pool.close()

    def complete(self, target: Target, request: Mapping[str, Any]) -> Completion:
        """The answer to one request. Raises RequestFailed.

        request: `model`, `messages` and sampling, as OpenAI's API takes them.
        """
        if target.base_url == demo_bot.ADDRESS:
            return Completion(demo_bot.answer(request), finish="stop")
        body = {**request, "stream": target.streams}
        if target.streams and target.tells_usage:
            body["stream_options"] = {"include_usage": True}
        begun = time.monotonic()
        with self.send(target, "POST", "/chat/completions", body) as response:
            pieces = self.iter_body(response)
            if get_header(response, b"content-type").startswith("text/event-stream"):
                answer = read_stream(pieces, begun, target.key)
            else:
                answer = read_whole(b"".join(pieces), begun, target.key)
        return answer._replace(ms=count_ms(begun))

    def list_models(self, target: Target) -> list[str]:
        """The names of the models that a server lists. Raises RequestFailed."""
        if target.base_url == demo_bot.ADDRESS:
            return []
        with self.send(target, "GET", "/models", None) as response:
            listed = parse_json(b"".join(self.iter_body(response)), target.key)
        models = listed.get("data", listed.get("models")) if isinstance(listed, dict) else listed
        if not isinstance(models, list):
            raise RequestFailed("not_openai")
        names = (model.get("id") or model.get("name") if isinstance(model, dict) else model for model in models)
        return [name for name in names if isinstance(name, str)]

    @contextmanager
    def send(
        self, target: Target, method: str, path: str, body: Mapping[str, Any] | None
    ) -> Iterator[httpcore2.Response]:
        """The response to one request, with status 200. Raises RequestFailed, also for errors within the block."""
        headers = [("Accept", "application/json, text/event-stream"), ("Accept-Encoding", "identity")]
        headers += [("User-Agent", "chosen")]
        if target.key:
            headers.append(("Authorization", f"Bearer {target.key}"))
        content = None
        if body is not None:
            headers.append(("Content-Type", "application/json"))
            content = json.dumps(body).encode()
        self.deadline.begin(target.first_byte_s, target.total_s, target.max_bytes)
        try:
            with self.pool.stream(method, f"{target.base_url}{path}", headers=headers, content=content) as response:
                if response.status != 200:
                    raise build_failure(response, target.key)
                if get_header(response, b"content-encoding") not in ("", "identity"):
                    raise RequestFailed("compressed")
                yield response
        except RequestFailed:
            raise
        except ForbiddenAddress as why:
            raise RequestFailed("address", str(why)) from None
        except TooManyBytes:
            raise RequestFailed("too_long") from None
        except httpcore2.TimeoutException:
            has_begun = self.deadline.first_byte is None
            raise RequestFailed("stalled" if has_begun else "timeout", may_retry=not has_begun) from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as why:
            has_begun = self.deadline.first_byte is None
            code = "interrupted" if has_begun else "unreachable"
            raise RequestFailed(code, hide_secrets(str(why), target.key), may_retry=not has_begun) from None
        finally:
            self.deadline.end = self.deadline.first_byte = None

    def iter_body(self, response: httpcore2.Response) -> Iterator[bytes]:
        """The body of a response, piece by piece; notes that the first one is there."""
        for piece in response.iter_stream():
            if piece:
                self.deadline.first_byte = None
            yield piece


def get_header(response: httpcore2.Response, name: bytes) -> str:
    """A header of a response in lower case; "" without it."""
    found = (value for key, value in response.headers if key.lower() == name)
    return next(found, b"").decode("latin-1").strip().lower()


def build_failure(response: httpcore2.Response, key: str) -> RequestFailed:
    """The failure that a response with another status than 200 stands for."""
    status = response.status
    if 300 <= status < 400:
        return RequestFailed("redirect")
    received = b""
    if get_header(response, b"content-encoding") in ("", "identity"):
        for piece in response.iter_stream():
            received += piece
            if len(received) > LONGEST_ERROR_BODY:
                break
    detail = find_message(received[:LONGEST_ERROR_BODY])
    retry_after = parse_retry_after(get_header(response, b"retry-after"))
    default = "server_error" if status >= 500 else "bad_request"
    code = "rate_limited" if status == 429 else "timeout" if status == 408 else CODES.get(status, default)
    words = hide_secrets(f"{status} {detail}", key)
    return RequestFailed(code, words, may_retry=status in RETRIED, retry_after=retry_after)


def find_message(received: bytes) -> str:
    """What an error says: the message of OpenAI's shape, or the body."""
    text = received.decode("utf-8", "replace")
    try:
        stated = json.loads(text)
    except (ValueError, RecursionError):
        return text
    error = stated.get("error", stated) if isinstance(stated, dict) else stated
    message = error.get("message", error.get("detail")) if isinstance(error, dict) else error
    return message if isinstance(message, str) else text


def parse_retry_after(value: str) -> float | None:
    """Seconds of a header `Retry-After`, at most a minute; None if it says nothing.

    >>> parse_retry_after("2"), parse_retry_after("soon")
    (2.0, None)
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def parse_json(received: bytes, key: str) -> Any:
    """The JSON that a server sent. Raises RequestFailed."""
    try:
        return json.loads(received)
    except (ValueError, RecursionError):
        raise RequestFailed("not_openai", hide_secrets(received[:1000].decode("utf-8", "replace"), key)) from None


def read_whole(received: bytes, begun: float, key: str) -> Completion:
    """The answer of a response in one piece. Raises RequestFailed."""
    reply = parse_json(received, key)
    if not isinstance(reply, dict):
        raise RequestFailed("not_openai")
    collected = sse.Collected()
    collected.add(reply)
    return build_completion(collected, count_ms(begun), key)


def read_stream(pieces: Iterator[bytes], begun: float, key: str) -> Completion:
    """The answer of a stream. Raises RequestFailed, also where the stream ends before the answer does."""
    collected, first_ms = sse.Collected(), None
    for data in sse.iter_data(pieces):
        if data == "[DONE]":
            collected.is_done = True
            continue
        chunk = parse_json(data.encode("utf-8", "surrogatepass"), key)
        if isinstance(chunk, dict):
            collected.add(chunk)
        if first_ms is None and collected.has_text:
            first_ms = count_ms(begun)
    if not collected.error and not collected.is_done and not collected.finish:
        raise RequestFailed("interrupted")
    return build_completion(collected, first_ms or 0, key)


def build_completion(collected: "sse.Collected", first_ms: int, key: str) -> Completion:
    """The answer that chunks or a whole reply hold. Raises RequestFailed if there is none."""
    if collected.error:
        raise RequestFailed("server_error", hide_secrets(collected.error, key))
    if not collected.had_choice:
        raise RequestFailed("no_answer")
    usage = collected.usage
    details = usage.get("prompt_tokens_details")
    return Completion(
        "".join(collected.text),
        "".join(collected.reasoning),
        collected.finish[:40],
        parse_count(usage.get("prompt_tokens")),
        parse_count(usage.get("completion_tokens")),
        parse_count(details.get("cached_tokens")) if isinstance(details, dict) else None,
        first_ms,
    )


def parse_count(value: Any) -> int | None:
    """A number of tokens; None if it is none.

    >>> parse_count(12), parse_count("12"), parse_count(True)
    (12, None, None)
    """
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31
    return value if is_count else None


def count_ms(begun: float) -> int:
    """Milliseconds since a moment of `time.monotonic`."""
    return round(1000 * (time.monotonic() - begun))

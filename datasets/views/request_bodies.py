"""Request bodies: a small one is read whole before a thread takes the request, a large one by that thread itself.

Any request may carry SMALL bytes. Signed-in users may send FORM bytes, and files to the paths in FILES_AT, whose views
check the user themselves and then call `allow_file`. A refused body is never read.
"""

import asyncio
import contextlib
import io
import math
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol, TypeVar

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest, HttpResponse, QueryDict, UnreadablePostError
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _

from datasets.disk import DiskFull, has_room

SMALL, FORM = 64 << 10, 2_621_440  # bytes; the second is Django's DATA_UPLOAD_MAX_MEMORY_SIZE
SMALL_SECONDS = 10  # for a small body to arrive
STALLED = 30  # seconds without a byte of a large one
MIN_BYTES_PER_SECOND = 4096  # of a large one, over each STALLED seconds
FILES_AT = ("/datasets/upload/", "/api/")
FIRST = 64 << 10  # bytes within which a form with files must send its CSRF token, before the first file
CHECK_ROOM_EVERY = 16 << 20  # bytes of a file between two checks of the free disk space

T = TypeVar("T")
Response = TypeVar("Response", bound=HttpResponseBase)
Scope = dict[str, Any]  # of ASGI, as are the next three
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
GetResponse = Callable[[HttpRequest], HttpResponseBase]  # what a middleware gets and returns


class BodyExchange(Protocol):
    """What a LargeBody needs from the exchange that it belongs to."""

    def begin_transfer(self) -> None: ...

    def wait_for(self, awaitable: Awaitable[T], seconds: float) -> T | None: ...


class ClientGone(Exception):
    """The client has closed the connection."""


class TooSlow(Exception):
    """A small body did not arrive in time."""


def get_body_length(scope: Scope) -> float:
    """The announced length of a body in bytes: 0 without a body, infinite if the length is not given."""
    headers = dict(scope["headers"])
    if b"content-length" in headers and b"transfer-encoding" not in headers:
        text = headers[b"content-length"]
        return int(text) if text.isdigit() else math.inf
    return math.inf if b"transfer-encoding" in headers else 0


async def read_body(scope: Scope, receive: Receive, exchange: BodyExchange) -> "io.BytesIO | LargeBody":
    """The body as a stream: in memory if it is small, else a LargeBody.

    Raises:
        TooSlow: a small body did not arrive within SMALL_SECONDS.
        ClientGone: the client has disconnected.
    """
    length = get_body_length(scope)
    if length == 0:
        return io.BytesIO()
    if SMALL < length < math.inf:
        return LargeBody(b"", receive, exchange)
    arrived = bytearray()
    try:
        async with asyncio.timeout(SMALL_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                arrived += message.get("body", b"")
                if not message.get("more_body", False):
                    return io.BytesIO(arrived)
                if len(arrived) > SMALL:
                    return LargeBody(bytes(arrived), receive, exchange)
    except TimeoutError:
        raise TooSlow from None


class LargeBody:
    """A request body that the request's thread reads as it arrives.

    limit: most bytes it may have; None for a file.
    """

    def __init__(self, first: bytes, receive: Receive, exchange: BodyExchange) -> None:
        self.limit: int | None = FORM
        self._pieces, self._receive, self._exchange = io.BytesIO(first), receive, exchange
        self._read, self._ended = len(first), False
        self._since, self._counted = 0.0, 0  # of the current measurement of the speed; 0.0 until it starts

    def read(self, size: int | None = -1) -> bytes:
        """At most `size` bytes, or the rest of the body if no size is given.

        Raises:
            RequestDataTooBig: the body is longer than `limit`.
            UnreadablePostError: the client has disconnected or sends too slowly.
        """
        wanted = math.inf if size is None or size < 0 else size
        pieces = []
        while wanted:
            piece = self._pieces.read(int(min(wanted, 1 << 20)))
            if piece:
                pieces.append(piece)
                wanted -= len(piece)
            elif not self._fill():
                break
        return b"".join(pieces)

    def _fill(self) -> bool:
        """Waits for the next piece; False at the end of the body."""
        if self._ended:
            return False
        self._exchange.begin_transfer()
        self._since = self._since or time.monotonic()
        message = self._exchange.wait_for(self._receive(), STALLED)
        if message is None or message["type"] == "http.disconnect":
            raise UnreadablePostError("the client left, or sent nothing for a while")
        piece = message.get("body", b"")
        self._ended = not message.get("more_body", False)
        self._read += len(piece)
        if self.limit is not None and self._read > self.limit:
            raise RequestDataTooBig("more than a form may hold")
        self._check_speed(len(piece))
        self._pieces = io.BytesIO(piece)
        return True

    def _check_speed(self, n: int) -> None:
        self._counted += n
        seconds = time.monotonic() - self._since
        if seconds > STALLED:
            if self._counted < MIN_BYTES_PER_SECOND * seconds:
                raise UnreadablePostError("the body arrives too slowly")
            self._since, self._counted = time.monotonic(), 0

    def drain(self) -> None:
        """Reads and discards the rest: a browser shows a response only after it has sent the whole body."""
        self.limit = None
        while self.read(1 << 20):
            pass

    def close(self) -> None:
        self._pieces = io.BytesIO()
        self._ended = True


def allow_file(request: HttpRequest) -> None:
    """Lifts the limit on the body of a request. Call it only once the sender is known.

    Raises DiskFull.
    """
    length = request.META.get("CONTENT_LENGTH") or ""
    if not has_room(int(length) if length.isdigit() else 0):
        raise DiskFull
    body = getattr(request, "_stream", None)
    if isinstance(body, LargeBody):
        body.limit = None


class UploadHandler(TemporaryFileUploadHandler):
    """Writes an uploaded file to disk; closes and thus deletes it as soon as a write fails."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        try:
            super().receive_data_chunk(raw_data, start)
            if start % CHECK_ROOM_EVERY < len(raw_data) and not has_room():
                raise DiskFull
        except BaseException:
            self.file.close()
            raise


def stand_for_view(request: HttpRequest) -> HttpResponse:
    """Takes the place of the view in Django's CSRF check, from which the view itself is exempt."""
    return HttpResponse()


@contextlib.contextmanager
def received_upload(
    request: HttpRequest,
) -> Iterator[tuple[QueryDict, MultiValueDict[str, UploadedFile], None] | tuple[None, None, HttpResponse]]:
    """(POST, FILES, None) of a form with files, or (None, None, response) if it is refused.

    Deletes the files afterwards, except those that were moved elsewhere.

    The CSRF token is in the header X-CSRFToken or in a field before the first file; no file is read before the token is
    verified. The calling view is exempt from Django's own check, which would read all files first, and must have
    checked the user.

    Raises:
        DiskFull: the disk has no room for the files.
        UnreadablePostError: the body was cut off.
    """
    first = read_first(request)
    form = QueryDict(mutable=True)
    if token := request.headers.get("X-CSRFToken") or find_token(first):
        form["csrfmiddlewaretoken"] = token
    request.POST = form  # type: ignore[assignment]  # the stubs want an immutable one, but the class is the same
    refusal = CsrfViewMiddleware(stand_for_view).process_view(request, stand_for_view, (), {})
    if refusal:
        yield None, None, drain_or_close(refusal, request)
        return
    allow_file(request)
    request.upload_handlers = [UploadHandler(request)]
    stream = JoinedStream(first, request)
    post, files = request.parse_file_upload(request.META, stream)  # type: ignore[arg-type]  # it only calls `read`
    try:
        yield post, files, None
    finally:
        for _name, uploads in files.lists():
            for file in uploads:
                file.close()


def read_first(request: HttpRequest) -> bytes:
    """The start of a body, up to the first file but at most about FIRST bytes."""
    first = b""
    while len(first) < FIRST and b"filename=" not in first:
        piece = request.read(4096)
        if not piece:
            break
        first += piece
    return first


TOKEN = re.compile(
    rb'content-disposition: *form-data; *name="?csrfmiddlewaretoken"?(?:\r\n[^\r\n]+)*\r\n\r\n([A-Za-z0-9]+)\r\n', re.I
)


def find_token(first: bytes) -> str | None:
    """The CSRF token that a form sends before its first file."""
    match = TOKEN.search(first.partition(b"filename=")[0])
    return match and match[1].decode()


class JoinedStream:
    """A stream whose first bytes were already read. Has only what Django's multipart parser calls."""

    def __init__(self, first: bytes, rest: HttpRequest) -> None:
        self.first, self.rest = io.BytesIO(first), rest

    def read(self, size: int | None = -1) -> bytes:
        return self.first.read(size) or self.rest.read(size)


def large_bodies_bounded(get_response: GetResponse) -> GetResponse:
    """Middleware: accepts bodies above SMALL from signed-in users only, and keeps them in memory, off the disk."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        body = request._stream if hasattr(request, "_stream") else None
        if not isinstance(body, LargeBody) or request.path_info.startswith(FILES_AT):
            return get_response(request)
        if not request.user.is_authenticated:
            return refuse_body(413, _("Sign in before sending this much data. Nothing was saved."))
        try:
            request._stream = io.BytesIO(body.read())
        except RequestDataTooBig:
            return refuse_body(413, _("This exceeds the size limit of a form. Nothing was saved."), request)
        except UnreadablePostError:
            return refuse_body(408, _("The form did not arrive in time. Send it again."))
        return get_response(request)

    return middleware


def refuse_body(status: int, words: str, request: HttpRequest | None = None) -> HttpResponse:
    response = HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")
    return drain_or_close(response, request)


def drain_or_close(response: Response, request: HttpRequest | None = None) -> Response:
    """The response to a request whose body was not read to its end.

    request: discards the rest of its body; without one, the connection is closed. Pass it only if the sender is known.
    """
    body = getattr(request, "_stream", None)
    if isinstance(body, LargeBody):
        with contextlib.suppress(UnreadablePostError):
            body.drain()
            return response
    response["Connection"] = "close"
    return response

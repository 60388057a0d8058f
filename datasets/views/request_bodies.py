"""The body of a request: a small one arrives whole before a thread works on it, a large one is read by who may send it.

Any request may carry SMALL bytes. More is for people who have signed in (FORM bytes), and for files at the addresses
of FILES_AT, which sign people in themselves and then call `allow_file`. What is refused here is never read.
"""

import asyncio
import contextlib
import io
import math
import re
import time

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpResponse, QueryDict, UnreadablePostError
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.translation import gettext as _

from datasets.disk import DiskFull, has_room

SMALL, FORM = 64 << 10, 2_621_440  # bytes; the second is Django's DATA_UPLOAD_MAX_MEMORY_SIZE
SMALL_SECONDS = 10  # until a small body is there
STALLED = 30  # seconds without a byte of a large one
MIN_BYTES_PER_SECOND = 4096  # bytes a second of a large one, over each STALLED seconds
FILES_AT = ("/datasets/upload/", "/api/")
FIRST = 64 << 10  # bytes in which a form with files names its token, before the first file
CHECK_ROOM_EVERY = 16 << 20  # bytes after which a file looks how much room is left


class ClientGone(Exception):
    """The client has closed the connection."""


class TooSlow(Exception):
    """A small body did not arrive in time."""


def get_body_length(scope):
    """How many bytes of body a request announces; 0 without a body, infinite where it does not say."""
    headers = dict(scope["headers"])
    if b"content-length" in headers and b"transfer-encoding" not in headers:
        text = headers[b"content-length"]
        return int(text) if text.isdigit() else math.inf
    return math.inf if b"transfer-encoding" in headers else 0


async def read_body(scope, receive, exchange):
    """The body as a stream: in memory where it is small, else a LargeBody.

    Raises:
        TooSlow: a small body did not arrive within SMALL_SECONDS.
        ClientGone: the client left.
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
    """The body of a request, read as it arrives by the thread that works on the request.

    limit: how many bytes it may have; None for a file.
    """

    def __init__(self, first, receive, exchange):
        self.limit = FORM
        self._pieces, self._receive, self._exchange = io.BytesIO(first), receive, exchange
        self._read, self._ended = len(first), False
        self._since, self._counted = None, 0

    def read(self, size=-1):
        """At most `size` bytes; all that comes where no size is given.

        Raises:
            RequestDataTooBig: there are more than `limit`.
            UnreadablePostError: the client left, or sends too slowly.
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

    def _fill(self):
        """Wait for the next piece; False at the end."""
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

    def _check_speed(self, n):
        self._counted += n
        seconds = time.monotonic() - self._since
        if seconds > STALLED:
            if self._counted < MIN_BYTES_PER_SECOND * seconds:
                raise UnreadablePostError("the body arrives too slowly")
            self._since, self._counted = time.monotonic(), 0

    def drain(self):
        """Read what is left and throw it away: a browser shows an answer only after it has sent everything."""
        self.limit = None
        while self.read(1 << 20):
            pass

    def close(self):
        self._pieces = io.BytesIO()
        self._ended = True


def allow_file(request):
    """Let the body be as large as a file. Call it once it is clear who sends it.

    Raises:
        DiskFull: the disk has no room for it.
    """
    length = request.META.get("CONTENT_LENGTH") or ""
    if not has_room(int(length) if length.isdigit() else 0):
        raise DiskFull
    body = getattr(request, "_stream", None)
    if isinstance(body, LargeBody):
        body.limit = None


class UploadHandler(TemporaryFileUploadHandler):
    """A file on the disk; closed, and so gone, at once where it cannot be written."""

    def receive_data_chunk(self, raw_data, start):
        try:
            super().receive_data_chunk(raw_data, start)
            if start % CHECK_ROOM_EVERY < len(raw_data) and not has_room():
                raise DiskFull
        except BaseException:
            self.file.close()
            raise


def stand_for_view(request):
    """Stands for the view before Django's check: the view itself is exempt from it."""


@contextlib.contextmanager
def received_upload(request):
    """(POST, FILES, None) of a form with files, or (None, None, the answer that refuses it). The files go afterwards,
    but for those that were moved away.

    The token against forgery stands in the header X-CSRFToken, or in a field before the first file: nothing of a file
    is read before it is right. The view is exempt from Django's own check, which would read all files first, and it
    has made sure who sends the form.

    Raises:
        DiskFull: the disk has no room for it.
        UnreadablePostError: it was cut off.
    """
    first = read_first(request)
    request.POST = QueryDict(mutable=True)
    if token := request.headers.get("X-CSRFToken") or find_token(first):
        request.POST["csrfmiddlewaretoken"] = token
    refusal = CsrfViewMiddleware(stand_for_view).process_view(request, stand_for_view, (), {})
    if refusal:
        yield None, None, drain_or_close(refusal, request)
        return
    allow_file(request)
    request.upload_handlers = [UploadHandler(request)]
    post, files = request.parse_file_upload(request.META, JoinedStream(first, request))
    try:
        yield post, files, None
    finally:
        for _name, uploads in files.lists():
            for file in uploads:
                file.close()


def read_first(request):
    """The beginning of a body: up to where the first file begins, or FIRST bytes."""
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


def find_token(first):
    """The token that a form names before its first file."""
    match = TOKEN.search(first.partition(b"filename=")[0])
    return match and match[1].decode()


class JoinedStream:
    """A stream from its beginning, of which some was read already."""

    def __init__(self, first, rest):
        self.first, self.rest = io.BytesIO(first), rest

    def read(self, size=-1):
        return self.first.read(size) or self.rest.read(size)


def large_bodies_bounded(get_response):
    """A body above SMALL is taken from people who have signed in only, and in memory: nothing goes to the disk."""

    def middleware(request):
        body = request._stream if hasattr(request, "_stream") else None
        if not isinstance(body, LargeBody) or request.path_info.startswith(FILES_AT):
            return get_response(request)
        if not request.user.is_authenticated:
            return refuse_body(413, _("Sign in before you send this much. Nothing was saved."))
        try:
            request._stream = io.BytesIO(body.read())
        except RequestDataTooBig:
            return refuse_body(413, _("This is more than a form may hold. Nothing was saved."), request)
        except UnreadablePostError:
            return refuse_body(408, _("The form did not arrive in time. Send it again."))
        return get_response(request)

    return middleware


def refuse_body(status, words, request=None):
    response = HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")
    return drain_or_close(response, request)


def drain_or_close(response, request=None):
    """An answer to a body that was not read whole. Where the sender is known, it is read to its end and thrown away;
    else the connection ends."""
    body = getattr(request, "_stream", None)
    if isinstance(body, LargeBody):
        with contextlib.suppress(UnreadablePostError):
            body.drain()
            return response
    response["Connection"] = "close"
    return response

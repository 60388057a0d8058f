"""Logs on stderr: plain lines, or one JSON object per line with LOG_FORMAT=json.

They contain no response texts and no passwords: of a request, only the path without the query; of an exception, the
traceback and the first line of its message.
"""

import json
import logging
import re
import time
import traceback
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

if TYPE_CHECKING:
    from datasets.views.request_bodies import GetResponse

TOKEN = re.compile(r"\b[0-9a-z]+-[0-9a-f]{32}\b")  # a password reset token of Django, part of an invitation link
MAX_MESSAGE_CHARS = 200  # of the first line of an exception; PostgreSQL quotes the row in the lines after it

log = logging.getLogger("config.requests")
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)  # the thread's current or latest request


class PlainFormatter(logging.Formatter):
    """Replaces tokens by “…” and shortens exceptions."""

    def format(self, record: logging.LogRecord) -> str:
        return TOKEN.sub("…", super().format(record))

    def formatException(self, exc_info: Any) -> str:  # noqa: N802
        return "\n".join(iter_traceback(exc_info[1])) if exc_info[1] else ""


class JsonFormatter(PlainFormatter):
    """One JSON object per record, with the id of its request and the `facts` passed in `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": TOKEN.sub("…", record.getMessage()),
            "request": request_id.get(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def iter_traceback(error: BaseException, seen: tuple[BaseException, ...] = ()) -> Iterator[str]:
    """The parts of a traceback, root cause first, with the first line of each exception's message."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and cause not in seen:
        yield from iter_traceback(cause, (*seen, error))
        yield "\nwhich led to:\n"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip()
    yield f"{type(error).__qualname__}: {str(error).partition(chr(10))[0][:MAX_MESSAGE_CHARS]}"


def requests_logged(get_response: "GetResponse") -> "GetResponse":
    """Middleware: logs one line per request, except for a successful health check; sets the id for its other lines."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        started = time.monotonic()
        current_id = find_proxy_id(request) or uuid.uuid4().hex
        request_id.set(current_id)
        response = get_response(request)
        response["X-Request-ID"] = current_id
        if log.isEnabledFor(logging.INFO) and (request.path != "/healthz" or response.status_code != 200):
            facts = collect_facts(request, response, time.monotonic() - started)
            log.info("%(method)s %(path)s %(status)s", facts, extra={"facts": facts})
        return response

    return middleware


def find_proxy_id(request: HttpRequest) -> str | None:
    """The id that our own proxy gave the request; without a proxy, the client's header is not trusted."""
    given = request.headers.get("X-Request-ID", "") if settings.BEHIND_PROXY else ""
    return given if re.fullmatch(r"[\w-]{1,64}", given, re.ASCII) else None


def collect_facts(request: HttpRequest, response: HttpResponseBase, seconds: float) -> dict[str, Any]:
    user = getattr(request, "_cached_user", None)  # set if a view loaded the user; spares the log a query
    return {
        "method": request.method,
        "path": TOKEN.sub("…", request.path),
        "status": response.status_code,
        "ms": round(seconds * 1000, 1),
        "user": user and user.pk,
    }

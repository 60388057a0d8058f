"""Logs on stderr: plain lines, or with LOG_FORMAT=json one object a line. No text of an answer and no password is in
them: of a request its path without the query, of an exception the traceback and the first line of what it says."""

import json
import logging
import re
import time
import traceback
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime

from django.conf import settings

TOKEN = re.compile(r"\b[0-9a-z]+-[0-9a-f]{32}\b")  # of a link that lets somebody in, as Django makes them
MAX_MESSAGE_CHARS = 200  # so much of an exception's own words: PostgreSQL quotes the row in the lines after the first

log = logging.getLogger("config.requests")
request_id = ContextVar("request_id", default=None)  # the request that this thread works on, or worked on last


class PlainFormatter(logging.Formatter):
    def format(self, record):
        return TOKEN.sub("…", super().format(record))

    def formatException(self, exc_info):
        return "\n".join(iter_traceback(exc_info[1])) if exc_info[1] else ""


class JsonFormatter(PlainFormatter):
    def format(self, record):
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


def iter_traceback(error, seen=()):
    """A traceback's lines, from the first cause on; each exception with the first line of its words."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and cause not in seen:
        yield from iter_traceback(cause, (*seen, error))
        yield "\nwhich led to:\n"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip()
    yield f"{type(error).__qualname__}: {str(error).partition(chr(10))[0][:MAX_MESSAGE_CHARS]}"


def requests_logged(get_response):
    """One line a request, but for a health check that went well; its id stands in every line logged on the way."""

    def middleware(request):
        started = time.monotonic()
        request_id.set(find_proxy_id(request) or uuid.uuid4().hex)
        response = get_response(request)
        response["X-Request-ID"] = request_id.get()
        if log.isEnabledFor(logging.INFO) and (request.path != "/healthz" or response.status_code != 200):
            facts = collect_facts(request, response, time.monotonic() - started)
            log.info("%(method)s %(path)s %(status)s", facts, extra={"facts": facts})
        return response

    return middleware


def find_proxy_id(request):
    """The id that our proxy gave the request; a client's own word is not taken."""
    given = request.headers.get("X-Request-ID", "") if settings.BEHIND_PROXY else ""
    return given if re.fullmatch(r"[\w-]{1,64}", given, re.ASCII) else None


def collect_facts(request, response, seconds):
    user = getattr(request, "_cached_user", None)  # who was asked for on the way: no query is made for the log
    return {
        "method": request.method,
        "path": TOKEN.sub("…", request.path),
        "status": response.status_code,
        "ms": round(seconds * 1000, 1),
        "user": user and user.pk,
    }

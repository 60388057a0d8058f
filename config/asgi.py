"""The ASGI application: Django in threads, behind an event loop that waits for slow clients so that no thread has to.

A request takes a thread once its small body has arrived (datasets/views/request_bodies.py). Each process runs THREADS
requests at the same time, at most STRANGERS of them for clients that have not signed in. The others wait and are served
round-robin by client, so that a client with a thousand requests does not delay one with a single request.
Transfers (uploads and downloads) have TRANSFERS threads of their own, and so does /healthz. A client that reads nothing
of a download for STUCK_SECONDS is cut off.
"""

import asyncio
import collections
import concurrent.futures
import io
import os
import resource
import sys
import threading
import time
from collections.abc import Awaitable, Iterator
from importlib import import_module
from typing import IO, TypeVar, cast

import django
from django.conf import settings
from django.core import signals
from django.core.exceptions import BadRequest
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.urls import resolve, set_script_prefix

from config.acts import count_request
from datasets.views.request_bodies import ClientGone, LargeBody, Message, Receive, Scope, Send, TooSlow, read_body

IS_FOR_POLICIES = "CHOSEN_POLICIES" in os.environ  # a process of `manage.py serve_policies`
THREADS, STRANGERS, TRANSFERS = 64 if IS_FOR_POLICIES else 16, 6, 8
SWITCH_INTERVAL = 0.002  # seconds until a computing thread yields to another; Python's default of 0.005 adds up
HEALTH, HEALTH_THREADS, HEALTH_SECONDS, METRICS = "/healthz", 2, 0.8, "/metrics"
STUCK_SECONDS = 60
PIECE, SMALL_FILE = 64 << 10, 1 << 20  # bytes
MAX_KNOWN_CLIENTS = 10_000  # sessions and tokens remembered as those of users
SERVER_PID_VARIABLE = "CHOSEN_SERVER"  # environment variable: the process that started this one
MAX_OPEN_FILES = 65_536  # requested limit per process: each connection is an open file

COMPUTE_SLOTS = threading.BoundedSemaphore(2)  # downloads that compute at the same time

T = TypeVar("T")
Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, bytes]  # status, headers, body


class Busy(BadRequest):
    """All threads for transfers are taken."""


class Slots:
    """Slots for requests, given to waiting clients in rotation. Runs only in the thread of the event loop.

    n: requests that run at the same time.
    strangers: how many of them may come from unknown clients.
    """

    def __init__(self, n: int, strangers: int) -> None:
        self.free, self.free_for_strangers = n, strangers
        # {(client, is known): its waiting requests, oldest first}
        self.waiting: collections.OrderedDict[tuple[bytes | str, bool], collections.deque[asyncio.Future[None]]] = (
            collections.OrderedDict()
        )

    async def take(self, client: bytes | str, is_known: bool) -> None:
        """Waits for a slot and occupies it."""
        if self.has_place(is_known) and not self.waiting:
            self.occupy(is_known)
            return
        place = asyncio.get_running_loop().create_future()
        self.waiting.setdefault((client, is_known), collections.deque()).append(place)
        self.serve()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.give_back(is_known)
            raise

    def has_place(self, is_known: bool) -> bool:
        return bool(self.free and (is_known or self.free_for_strangers))

    def occupy(self, is_known: bool) -> None:
        self.free -= 1
        self.free_for_strangers -= not is_known

    def give_back(self, is_known: bool) -> None:
        """Frees a slot and gives it to a waiting request."""
        self.free += 1
        self.free_for_strangers += not is_known
        self.serve()

    def serve(self) -> None:
        """Gives free slots to waiting requests: one per client, whose others then queue behind all other clients."""
        while client := next((client for client in self.waiting if self.has_place(client[1])), None):
            places = self.waiting.pop(client)
            place = places.popleft()
            if places:
                self.waiting[client] = places
            if not place.done():
                self.occupy(client[1])
                place.set_result(None)


class Exchange:
    """One request and its response, between the event loop and the thread that works on it."""

    def __init__(self, application: "Application", receive: Receive, send: Send) -> None:
        self.application, self.receive, self.send = application, receive, send
        self.loop = asyncio.get_running_loop()
        self.has_slot = self.is_known = self.is_transfer = self.was_refused = False
        self.answer: Answer | None = None
        self.is_gone, self.began = False, time.perf_counter()

    async def watch(self) -> None:
        """Notes when the client disconnects: the server reports no error for what is sent afterwards."""
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True

    def wait_for(self, awaitable: Awaitable[T], seconds: float) -> T | None:
        """The result of an awaitable of the event loop, for a thread; None after a timeout."""

        async def wait() -> T:
            return await awaitable

        future = asyncio.run_coroutine_threadsafe(wait(), self.loop)
        try:
            return future.result(seconds)
        except concurrent.futures.TimeoutError:
            future.cancel()
            return None

    def begin_transfer(self) -> None:
        """Frees the slot, since this thread will wait for the client.

        Raises Busy when TRANSFERS threads already do so.
        """
        if self.is_transfer:
            return
        if not self.application.transfers.acquire(blocking=False):
            self.was_refused = True
            raise Busy
        self.is_transfer = True
        self.loop.call_soon_threadsafe(self.free_slot)

    def free_slot(self) -> None:
        if self.has_slot:
            self.has_slot = False
            assert self.application.slots is not None
            self.application.slots.give_back(self.is_known)

    def end(self) -> None:
        """Frees the slot and the place among the transfers."""
        self.free_slot()
        if self.is_transfer:
            self.application.transfers.release()

    def push(self, message: Message) -> None:
        """Sends a part of the response to the client.

        Raises ClientGone when the client has disconnected or reads nothing for STUCK_SECONDS.
        """

        async def send() -> bool:
            await self.send(message)
            return True

        if self.is_gone or not self.wait_for(send(), STUCK_SECONDS):
            raise ClientGone


class Application(BaseHandler):
    """The ASGI application of a process."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()
        self.slots: Slots | None = None
        self.transfers = threading.BoundedSemaphore(TRANSFERS)
        self.threads = concurrent.futures.ThreadPoolExecutor(THREADS + TRANSFERS, "request")
        self.health = concurrent.futures.ThreadPoolExecutor(HEALTH_THREADS, "health")
        self.known: collections.OrderedDict[bytes, bool] = collections.OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await handle_lifespan(receive, send)
        elif scope["type"] == "http":
            if IS_FOR_POLICIES and not scope["path"].startswith(("/v1/", HEALTH, METRICS)):
                await send_whole(send, *build_text_answer(404, "Only /v1 is served here."))
                return
            self.slots = self.slots or Slots(THREADS, THREADS if IS_FOR_POLICIES else STRANGERS)
            await self.serve(scope, receive, send, self.slots)

    async def serve(self, scope: Scope, receive: Receive, send: Send, slots: Slots) -> None:
        """Reads the body of a request, waits for a slot, answers in a thread, and sends the response."""
        exchange = Exchange(self, receive, send)
        if scope["path"] == HEALTH:
            await self.answer_health(scope, receive, exchange)
            return
        try:
            body = await read_body(scope, receive, exchange)
        except ClientGone:
            return
        except TooSlow:
            await send_whole(send, *build_text_answer(408, "The request did not arrive in time."))
            return
        try:
            exchange.began = time.perf_counter()
            client, exchange.is_known = self.identify_client(scope)
            await slots.take(client, exchange.is_known)
            exchange.has_slot = True
            await exchange.loop.run_in_executor(self.threads, self.work, scope, body, exchange)
        finally:
            exchange.end()
        if exchange.answer:
            await send_whole(send, *exchange.answer)

    async def answer_health(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        """Answers /healthz in threads of its own, however busy the others are."""
        body = await read_body(scope | {"headers": []}, receive, exchange)
        work = exchange.loop.run_in_executor(self.health, self.work, scope, body, exchange)
        try:
            await asyncio.wait_for(asyncio.shield(work), HEALTH_SECONDS)
            assert exchange.answer is not None, "/healthz is not streamed"
            answer = exchange.answer
        except TimeoutError:
            answer = build_text_answer(503, "the database does not answer")
        await send_whole(exchange.send, *answer)

    def identify_client(self, scope: Scope) -> tuple[bytes | str, bool]:
        """(the client whose turn a request takes, whether it is a known user).

        The client is a session or a token that has authenticated a request before, else the remote address.
        """
        for name, value in scope["headers"]:
            secret = value.partition(b"sessionid=")[2].partition(b";")[0] if name == b"cookie" else value
            if name in (b"cookie", b"authorization") and secret in self.known:
                return secret, True
        return scope["client"][0] if scope.get("client") else "", False

    def remember(self, request: HttpRequest) -> None:
        """Notes the session or the token of an authenticated request, for identify_client."""
        user = getattr(request, "_cached_user", None)
        secret = request.COOKIES.get(settings.SESSION_COOKIE_NAME) or request.headers.get("Authorization")
        if secret and user is not None and user.is_authenticated:
            self.known[secret.encode()] = True
            while len(self.known) > MAX_KNOWN_CLIENTS:
                self.known.popitem(last=False)

    def work(self, scope: Scope, body: io.BytesIO | LargeBody, exchange: Exchange) -> None:
        """Answers a request, in a thread: streams the response to the client or leaves it in `exchange.answer`."""
        set_script_prefix("")
        signals.request_started.send(sender=type(self), scope=scope)
        response = self.respond(scope, body, exchange)
        try:
            if exchange.was_refused:
                raise Busy
            if not response.streaming:
                exchange.answer = (response.status_code, encode_headers(response), cast(HttpResponse, response).content)
            elif scope["method"] == "HEAD":
                exchange.answer = (response.status_code, encode_headers(response), b"")
            elif is_small(response):
                exchange.answer = (response.status_code, encode_headers(response), b"".join(response))
            else:
                stream(response, exchange)
        except Busy:
            exchange.answer = build_text_answer(
                503, "Too many files are on their way. Try again in a minute.", retry=60
            )
        finally:
            response.close()  # ends the request: Django releases the database connection of this thread

    def respond(self, scope: Scope, body: io.BytesIO | LargeBody, exchange: Exchange) -> HttpResponseBase:
        """The response of Django to a request, counted for /metrics."""
        try:
            request = ASGIRequest(scope, cast(IO[bytes], body))  # a LargeBody has the methods that Django calls
        except UnicodeDecodeError:
            return HttpResponseBadRequest()
        response = self.get_response(request)
        self.remember(request)
        count_request(request, response, time.perf_counter() - exchange.began)
        if isinstance(response, FileResponse):
            response.block_size = PIECE
        return response


def is_small(response: HttpResponseBase) -> bool:
    """Whether a response is a file, such as those in static/, that is small enough to be sent whole."""
    length = response.headers.get("Content-Length", "")
    return isinstance(response, FileResponse) and length.isdigit() and int(length) <= SMALL_FILE


def stream(response: HttpResponseBase, exchange: Exchange) -> None:
    """Sends a download to the client piece by piece."""
    exchange.begin_transfer()
    watching = asyncio.run_coroutine_threadsafe(exchange.watch(), exchange.loop)
    start = {"type": "http.response.start", "status": response.status_code, "headers": encode_headers(response)}
    try:
        exchange.push(start)
        parts = iter(response)
        while (part := read_part(parts)) is not None:
            for at in range(0, len(part), PIECE):
                exchange.push({"type": "http.response.body", "body": part[at : at + PIECE], "more_body": True})
        exchange.push({"type": "http.response.body", "body": b"", "more_body": False})
    except ClientGone:
        return
    finally:
        watching.cancel()


def read_part(parts: Iterator[bytes]) -> bytes | None:
    """The next part of a download; None at its end.

    Only two downloads compute at a time: many computing threads would delay the requests of annotators.
    """
    with COMPUTE_SLOTS:
        return next(parts, None)


def encode_headers(response: HttpResponseBase) -> Headers:
    headers = [(name.lower().encode("ascii"), value.encode("latin1")) for name, value in response.items()]
    return headers + [(b"set-cookie", cookie.OutputString().encode("ascii")) for cookie in response.cookies.values()]


def build_text_answer(status: int, words: str, retry: int | None = None) -> Answer:
    """A plain-text response that closes the connection. retry: seconds."""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    if retry:
        headers.append((b"retry-after", str(retry).encode()))
    return status, headers, words.encode()


async def send_whole(send: Send, status: int, headers: Headers, content: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": False})


async def handle_lifespan(receive: Receive, send: Send) -> None:
    """Handles the ASGI lifespan events: the start and the end of a process."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            raise_file_limit()
            sys.setswitchinterval(SWITCH_INTERVAL)
            resolve("/")  # imports the views, so that the first request need not wait for that
            import_module("datasets.text.rendered").RENDERERS.start()
            if SERVER_PID_VARIABLE in os.environ:
                threading.Thread(
                    target=exit_with_parent, args=(int(os.environ[SERVER_PID_VARIABLE]),), daemon=True
                ).start()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def raise_file_limit() -> None:
    """Raises the limit on open files, and thus connections, as far as the system allows, up to MAX_OPEN_FILES."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MAX_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def exit_with_parent(parent: int) -> None:
    """Exits this process once its parent has ended for any reason, since nothing else would stop it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)
application = Application()

"""What the server calls: Django in threads, behind a loop that waits for slow clients so that no thread has to.

A request takes a thread when its small body is there (datasets/views/request_bodies.py). THREADS requests run at once
in a process, STRANGERS of clients that have not signed in; the others wait in turn, one of each client after the other,
so that who sends a thousand waits behind who sends one.
Transfers (files up, downloads) have TRANSFERS threads of their own, and /healthz has its own too. A client that takes
nothing of a download for STUCK_SECONDS is cut off.
"""

import asyncio
import collections
import concurrent.futures
import os
import resource
import sys
import threading
import time
from importlib import import_module

import django
from django.conf import settings
from django.core import signals
from django.core.exceptions import BadRequest
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.http import FileResponse, HttpResponseBadRequest
from django.urls import resolve, set_script_prefix

from datasets.views.request_bodies import ClientGone, TooSlow, read_body

THREADS, STRANGERS, TRANSFERS = 16, 6, 8
SWITCH_INTERVAL = 0.002  # seconds after which a thread that computes lets another one go on; Python's own 0.005 add up
HEALTH, HEALTH_THREADS, HEALTH_SECONDS = "/healthz", 2, 0.8
STUCK_SECONDS = 60
PIECE, SMALL_FILE = 64 << 10, 1 << 20  # bytes
MAX_KNOWN_CLIENTS = 10_000  # sessions that are remembered as somebody's
SERVER_PID_VARIABLE = "CHOSEN_SERVER"  # in the environment: the process that started this one
MAX_OPEN_FILES = 65_536  # open files that a process asks for: each connection is one

COMPUTE_SLOTS = threading.BoundedSemaphore(2)  # downloads that compute at the same time


class Busy(BadRequest):
    """All transfers are taken."""


class Slots:
    """Places for requests, given to waiting clients in rotation. All of it runs in the loop's thread.

    n: how many requests run at once. strangers: how many of them may be of clients whom nobody knows.
    """

    def __init__(self, n, strangers):
        self.free, self.free_for_strangers = n, strangers
        self.waiting = collections.OrderedDict()  # (client, is known): its requests, the oldest first

    async def take(self, client, is_known):
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

    def has_place(self, is_known):
        return self.free and (is_known or self.free_for_strangers)

    def occupy(self, is_known):
        self.free -= 1
        self.free_for_strangers -= not is_known

    def give_back(self, is_known):
        self.free += 1
        self.free_for_strangers += not is_known
        self.serve()

    def serve(self):
        """Let in who waits, as far as there are places: of each client one, then behind all others."""
        while client := next((client for client in self.waiting if self.has_place(client[1])), None):
            places = self.waiting.pop(client)
            place = places.popleft()
            if places:
                self.waiting[client] = places
            if not place.done():
                self.occupy(client[1])
                place.set_result(None)


class Exchange:
    """One request and its answer, between the loop and the thread that works on it."""

    def __init__(self, application, receive, send):
        self.application, self.receive, self.send = application, receive, send
        self.loop = asyncio.get_running_loop()
        self.has_slot = self.is_known = self.is_transfer = self.was_refused = False
        self.answer, self.is_gone = None, False

    async def watch(self):
        """Note when the client leaves. What is sent to it afterwards seems to arrive."""
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True

    def wait_for(self, awaitable, seconds):
        """What an awaitable of the loop brings, for a thread; None where it takes longer."""

        async def wait():
            return await awaitable

        future = asyncio.run_coroutine_threadsafe(wait(), self.loop)
        try:
            return future.result(seconds)
        except concurrent.futures.TimeoutError:
            future.cancel()
            return None

    def begin_transfer(self):
        """Leave the slot to others: this thread will wait for the client.

        Raises:
            Busy: as many do so as may.
        """
        if self.is_transfer:
            return
        if not self.application.transfers.acquire(blocking=False):
            self.was_refused = True
            raise Busy
        self.is_transfer = True
        self.loop.call_soon_threadsafe(self.free_slot)

    def free_slot(self):
        if self.has_slot:
            self.has_slot = False
            self.application.slots.give_back(self.is_known)

    def end(self):
        self.free_slot()
        if self.is_transfer:
            self.application.transfers.release()

    def push(self, message):
        """Hand a part of the answer to the client.

        Raises:
            ClientGone: it takes nothing, or has left.
        """

        async def send():
            await self.send(message)
            return True

        if self.is_gone or not self.wait_for(send(), STUCK_SECONDS):
            raise ClientGone


class Application(BaseHandler):
    def __init__(self):
        super().__init__()
        self.load_middleware()
        self.slots = None
        self.transfers = threading.BoundedSemaphore(TRANSFERS)
        self.threads = concurrent.futures.ThreadPoolExecutor(THREADS + TRANSFERS, "request")
        self.health = concurrent.futures.ThreadPoolExecutor(HEALTH_THREADS, "health")
        self.known = collections.OrderedDict()

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await handle_lifespan(receive, send)
        elif scope["type"] == "http":
            self.slots = self.slots or Slots(THREADS, STRANGERS)
            await self.serve(scope, receive, send)

    async def serve(self, scope, receive, send):
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
            client, exchange.is_known = self.identify_client(scope)
            await self.slots.take(client, exchange.is_known)
            exchange.has_slot = True
            await exchange.loop.run_in_executor(self.threads, self.work, scope, body, exchange)
        finally:
            exchange.end()
        if exchange.answer:
            await send_whole(send, *exchange.answer)

    async def answer_health(self, scope, receive, exchange):
        """/healthz in threads of its own: it answers whatever the others wait for."""
        body = await read_body(scope | {"headers": []}, receive, exchange)
        work = exchange.loop.run_in_executor(self.health, self.work, scope, body, exchange)
        try:
            await asyncio.wait_for(asyncio.shield(work), HEALTH_SECONDS)
            answer = exchange.answer
        except TimeoutError:
            answer = build_text_answer(503, "the database does not answer")
        await send_whole(exchange.send, *answer)

    def identify_client(self, scope):
        """(whose turn a request takes, whether it is somebody's): a session or a token that let somebody in before,
        else the address that it comes from."""
        for name, value in scope["headers"]:
            secret = value.partition(b"sessionid=")[2].partition(b";")[0] if name == b"cookie" else value
            if name in (b"cookie", b"authorization") and secret in self.known:
                return secret, True
        return scope["client"][0] if scope.get("client") else "", False

    def remember(self, request):
        """Note the session or the token of a request as somebody's, for identify_client."""
        user = getattr(request, "_cached_user", None)
        secret = request.COOKIES.get(settings.SESSION_COOKIE_NAME) or request.headers.get("Authorization")
        if secret and user is not None and user.is_authenticated:
            self.known[secret.encode()] = True
            while len(self.known) > MAX_KNOWN_CLIENTS:
                self.known.popitem(last=False)

    def work(self, scope, body, exchange):
        """Answer a request, in a thread: what is streamed goes to the client from here, the rest is left in
        `exchange.answer`."""
        set_script_prefix("")
        signals.request_started.send(sender=type(self), scope=scope)
        response = self.respond(scope, body)
        try:
            if exchange.was_refused:
                raise Busy
            if not response.streaming:
                exchange.answer = (response.status_code, encode_headers(response), response.content)
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
            response.close()  # ends the request: Django gives its connection back in this thread

    def respond(self, scope, body):
        try:
            request = ASGIRequest(scope, body)
        except UnicodeDecodeError:
            return HttpResponseBadRequest()
        response = self.get_response(request)
        self.remember(request)
        if isinstance(response, FileResponse):
            response.block_size = PIECE
        return response


def is_small(response):
    """Whether a file, as those in static/, is sent whole."""
    length = response.headers.get("Content-Length", "")
    return isinstance(response, FileResponse) and length.isdigit() and int(length) <= SMALL_FILE


def stream(response, exchange):
    """Hand a download to the client piece by piece."""
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


def read_part(parts):
    """The next part of a download, or None at its end. Two downloads compute at a time: what many threads compute at
    once holds up those who judge."""
    with COMPUTE_SLOTS:
        return next(parts, None)


def encode_headers(response):
    headers = [(name.lower().encode("ascii"), value.encode("latin1")) for name, value in response.items()]
    return headers + [(b"set-cookie", cookie.OutputString().encode("ascii")) for cookie in response.cookies.values()]


def build_text_answer(status, words, retry=None):
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    if retry:
        headers.append((b"retry-after", str(retry).encode()))
    return status, headers, words.encode()


async def send_whole(send, status, headers, content):
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": False})


async def handle_lifespan(receive, send):
    """Start and end of a process, as the server tells them."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            raise_file_limit()
            sys.setswitchinterval(SWITCH_INTERVAL)
            resolve("/")  # loads the views, which the first person would else wait for
            import_module("datasets.text.rendered").RENDERERS.start()
            if SERVER_PID_VARIABLE in os.environ:
                threading.Thread(
                    target=exit_with_parent, args=(int(os.environ[SERVER_PID_VARIABLE]),), daemon=True
                ).start()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def raise_file_limit():
    """Let this process have as many connections as the system grants."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MAX_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def exit_with_parent(parent):
    """End this process when its parent has gone, however that ended: nobody would stop it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)
application = Application()

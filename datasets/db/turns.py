"""Limits how many judging requests run in a process at the same time.

Python runs one thread at a time, and a writer that waits for the interpreter keeps all others waiting for the database.
"""

import collections
import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Concatenate, ParamSpec, TypeAlias

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Arguments = ParamSpec("Arguments")

AT_ONCE = {"sqlite": 1, "postgresql": 2}  # as measured by `make bench ONLY=judging`


class FairSemaphore:
    """A semaphore that admits waiting threads in order of arrival.

    The standard library's lets a thread that arrives at the right moment overtake those that wait.
    """

    def __init__(self, n: int) -> None:
        self.free, self.guard = n, threading.Lock()
        self.waiting: collections.deque[threading.Lock] = collections.deque()

    def __enter__(self) -> None:
        with self.guard:
            if self.free:
                self.free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self.waiting.append(turn)
        turn.acquire()

    def __exit__(self, *error: object) -> None:
        with self.guard:
            if self.waiting:
                self.waiting.popleft().release()
            else:
                self.free += 1


TURNS = FairSemaphore(AT_ONCE[connection.vendor])
CHAT_TURNS = FairSemaphore(1)  # a page of a chat takes longer than a verdict, which would wait for it
_thread = threading.local()

View: TypeAlias = Callable[Concatenate[HttpRequest, Arguments], HttpResponseBase]


def in_turn(view: View[Arguments]) -> View[Arguments]:
    """Decorates a view to run in a turn for users who have signed in; anonymous requests take none.

    Put it above the decorator that checks access, because reading the dataset there belongs to the turn.
    """
    return guard(view, TURNS)


def in_chat_turn(view: View[Arguments]) -> View[Arguments]:
    """Decorates a view of chats to run in a turn of theirs, as in_turn does."""
    return guard(view, CHAT_TURNS)


def guard(view: View[Arguments], turns: FairSemaphore) -> View[Arguments]:
    """The view, which runs in one of these turns."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return view(request, *args, **kwargs)
        with turns:
            _thread.turns = turns
            try:
                return view(request, *args, **kwargs)
            finally:
                _thread.turns = None

    return guarded


@contextlib.contextmanager
def out_of_turn() -> Iterator[None]:
    """Yields the turn to others while this thread waits for something else, then waits for a new turn."""
    turns: FairSemaphore | None = getattr(_thread, "turns", None)
    if turns is None:
        yield
        return
    _thread.turns = None
    turns.__exit__()
    try:
        yield
    finally:
        turns.__enter__()
        _thread.turns = turns

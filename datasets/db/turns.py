"""Limits how many judging requests run in a process at the same time.

Python runs one thread at a time, and a writer that waits for the interpreter keeps all others waiting for the database.
"""

import collections
import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Concatenate, ParamSpec

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
_thread = threading.local()


def in_turn(
    view: Callable[Concatenate[HttpRequest, Arguments], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, Arguments], HttpResponseBase]:
    """Decorates a view to run in a turn for users who have signed in; anonymous requests take none.

    Put it above the decorator that checks access, because reading the dataset there belongs to the turn.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return view(request, *args, **kwargs)
        with TURNS:
            _thread.has_turn = True
            try:
                return view(request, *args, **kwargs)
            finally:
                _thread.has_turn = False

    return guarded


@contextlib.contextmanager
def out_of_turn() -> Iterator[None]:
    """Yields the turn to others while this thread waits for something else, then waits for a new turn."""
    if not getattr(_thread, "has_turn", False):
        yield
        return
    _thread.has_turn = False
    TURNS.__exit__()
    try:
        yield
    finally:
        TURNS.__enter__()
        _thread.has_turn = True

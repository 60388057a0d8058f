"""Threads that use the time spent waiting for the database."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Self, TypeVar

from django.db import connection

Item = TypeVar("Item")


class Prefetcher(Generic[Item]):
    """Prefetches the items of an iterator one at a time, in a thread, each from a call of `begin_next`.

    Call it right before one long wait, such as a COMMIT. During many short waits, such as for the parts of a COPY, the
    thread would make each of them wait for the interpreter.

    items: must not use Django's database connection, because each thread has a separate one.
    beside: whether to use the thread; else `wait_next` computes the item, and only one processor is busy at a time.
    """

    def __init__(self, items: Iterable[Item], beside: bool) -> None:
        self.items, self.beside, self.thread = iter(items), beside, ThreadPoolExecutor(1)
        self.begin_next(lambda: None)

    def begin_next(self, first: Callable[[], object]) -> None:
        """Starts on the next item. first: called before, in the thread, e.g. to finish work on the last item."""

        def work() -> Item | None:
            first()
            return next(self.items, None)

        self.coming: Callable[[], Item | None] = self.thread.submit(work).result if self.beside else work

    def wait_next(self) -> Item | None:
        """The next item; None after the last."""
        return self.coming()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.shutdown()


def run_in_threads(count: int, work: Callable[[Item], object], items: Iterable[Item]) -> None:
    """Calls work(item) for all items in `count` threads, each with its own database connection.

    Raises the first error of a thread, after the others have finished their current items.
    """
    if count == 1:
        for item in items:
            work(item)
        return
    remaining, turn, over = iter(items), threading.Lock(), threading.Event()

    def drain_items() -> None:
        try:
            while not over.is_set():
                with turn:
                    item = next(remaining, None)
                if item is None:
                    return
                work(item)
        finally:
            over.set()
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(drain_items) for _ in range(count)]
        try:
            for future in futures:
                future.result()
        finally:
            over.set()

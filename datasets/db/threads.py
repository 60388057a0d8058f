"""Threads that shorten the time in which somebody waits for the database."""

import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import connection


class Prefetcher:
    """The items of an iterator, each made from when it is asked to begin: right before one long wait, as for a COMMIT.
    Were it to run beside many short ones, as for the parts of a COPY, each of these would wait for the interpreter.
    What is left to do with the last item can be done first, in the same wait.

    All of this must leave Django's database alone: a thread has a connection of its own. beside: else it is done when
    the item is asked for, and only one processor is busy at a time.
    """

    def __init__(self, items, beside):
        self.items, self.beside, self.thread = iter(items), beside, ThreadPoolExecutor(1)
        self.begin_next(lambda: None)

    def begin_next(self, first):
        def work():
            first()
            return next(self.items, None)

        self.coming = self.thread.submit(work).result if self.beside else work

    def wait_next(self):
        """The next one, None after the last."""
        return self.coming()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thread.shutdown()


def run_in_threads(count, work, items):
    """Do work(item) for all items, so many at once, each hand with a connection of its own. One that fails lets the
    others finish what they have in hand, and is told then."""
    if count == 1:
        for item in items:
            work(item)
        return
    items, turn, over = iter(items), threading.Lock(), threading.Event()

    def drain_items():
        try:
            while not over.is_set():
                with turn:
                    item = next(items, None)
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

"""Threads that shorten the time in which somebody waits for the database."""

import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import connection


class Ahead:
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

    def item(self):
        """The next one, None after the last."""
        return self.coming()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thread.shutdown()


def in_hands(hands, work, items):
    """Do work(item) for all items, so many at once, each hand with a connection of its own. One that fails lets the
    others finish what they have in hand, and is told then."""
    if hands == 1:
        for item in items:
            work(item)
        return
    items, turn, over = iter(items), threading.Lock(), threading.Event()

    def hand():
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

    with ThreadPoolExecutor(hands) as threads:
        working = [threads.submit(hand) for _ in range(hands)]
        try:
            for one in working:
                one.result()
        finally:
            over.set()

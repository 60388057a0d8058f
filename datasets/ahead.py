"""What comes next is made while one waits for the database."""

from concurrent.futures import ThreadPoolExecutor


class Ahead:
    """The items of an iterator, each made from when it is asked to begin: right before one long wait, as for a COMMIT.
    Were it to run beside many short ones, as for the parts of a COPY, each of these would wait for the interpreter.

    What makes the items must leave Django's database alone: a thread has a connection of its own.
    """

    def __init__(self, items):
        self.items, self.thread = iter(items), ThreadPoolExecutor(1)
        self.begin_next()

    def begin_next(self):
        self.coming = self.thread.submit(next, self.items, None)

    def item(self):
        """The next one, None after the last."""
        return self.coming.result()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thread.shutdown()

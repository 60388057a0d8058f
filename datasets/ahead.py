"""What comes next is made while one waits for the database."""

from concurrent.futures import ThreadPoolExecutor


def ahead(items):
    """The items, each next one made in a thread meanwhile. What makes them must leave Django's database alone: a thread
    has a connection of its own."""
    items, none = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, none)
        while (item := coming.result()) is not none:
            coming = thread.submit(next, items, none)
            yield item

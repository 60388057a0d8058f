"""The order of writers on SQLite, and transactions for batches."""

import contextlib
import fcntl
from collections.abc import Iterator

from django.conf import settings
from django.db import connection, transaction


@contextlib.contextmanager
def write_turn() -> Iterator[None]:
    """Waits for the writer's turn on SQLite; does nothing on PostgreSQL or inside a transaction.

    A file lock serves waiting writers in order. SQLite's own lock does not, so that a writer may starve.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with open(settings.DATA_DIR / ".writing", "a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def batch_transaction() -> Iterator[None]:
    """A transaction in a series. On PostgreSQL its commit does not wait for the disk.

    If the server fails, the last transactions are lost as if they had never begun, together with the record of the
    progress they made. The first commit after them that does wait flushes all of them to disk.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit TO off")
        yield

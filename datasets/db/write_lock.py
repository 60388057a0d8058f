"""Whose turn it is to write, on SQLite."""

import contextlib
import fcntl

from django.conf import settings
from django.db import connection, transaction


@contextlib.contextmanager
def write_turn():
    """On SQLite, a writer's turn: who waits at a file lock is served in order, who waits inside SQLite is not, and may
    starve. PostgreSQL needs none of it, nor does a transaction that has begun."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with open(settings.DATA_DIR / ".writing", "a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def batch_transaction():
    """A transaction that others follow. On PostgreSQL it does not wait for the disk: should the server fail, the last
    are gone as if they had never begun, and so is the note of how far it came. The first commit after them that does
    wait brings all of them to the disk."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit TO off")
        yield

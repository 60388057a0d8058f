"""Whose turn it is to write, on SQLite."""

import contextlib
import fcntl

from django.conf import settings
from django.db import connection


@contextlib.contextmanager
def writing():
    """On SQLite, a writer's turn: who waits at a file lock is served in order, who waits inside SQLite is not, and may
    starve. PostgreSQL needs none of it, nor does a transaction that has begun."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with open(settings.DATA_DIR / ".writing", "a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield

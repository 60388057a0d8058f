"""One moment of the database, to read at leisure."""

import contextlib

from django.db import connection, transaction


@contextlib.contextmanager
def consistent_read():
    """All that is read inside is of one moment, and nobody waits for it."""
    if connection.vendor == "postgresql":
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    else:  # not `atomic`, which takes the write lock
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")

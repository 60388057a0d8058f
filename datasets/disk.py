"""Room on the disk, and how to tell that there is none."""

import errno
import shutil

from django.conf import settings

# Bytes that uploads leave to the database, on a small disk a twentieth of it
SPARE_BYTES, SPARE_DIVISOR = 200 << 20, 20
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
DISK_FULL_WORDS = ("disk is full", "No space left on device", "disk I/O error")  # of SQLite and PostgreSQL


class DiskFull(Exception):
    """There is no room for a file."""


def has_room(n=0):
    """Whether `n` more bytes of uploads leave the database enough."""
    usage = shutil.disk_usage(settings.FILE_UPLOAD_TEMP_DIR)
    return usage.free - n >= min(SPARE_BYTES, usage.total // SPARE_DIVISOR)


def is_disk_full(error):
    """Whether an exception, or one that led to it, says that the disk is full."""
    while error is not None:
        is_system = isinstance(error, OSError) and error.errno in NO_SPACE
        is_database = type(error).__name__ in ("OperationalError", "DiskFull") and any(
            w in str(error) for w in DISK_FULL_WORDS
        )
        if isinstance(error, DiskFull) or is_system or is_database:
            return True
        error = error.__cause__ or error.__context__
    return False

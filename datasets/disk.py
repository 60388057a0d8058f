"""Free disk space, and errors that mean that the disk is full."""

import errno
import shutil

from django.conf import settings

# Bytes that uploads leave free for the database; on a small disk, a twentieth of its size
SPARE_BYTES, SPARE_DIVISOR = 200 << 20, 20
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
DISK_FULL_WORDS = ("disk is full", "No space left on device", "disk I/O error")  # messages of SQLite and PostgreSQL


class DiskFull(Exception):
    """The disk has no room for a file."""


def has_room(n: int = 0) -> bool:
    """Whether n more bytes of uploads leave enough disk space for the database."""
    usage = shutil.disk_usage(settings.FILE_UPLOAD_TEMP_DIR)
    return usage.free - n >= min(SPARE_BYTES, usage.total // SPARE_DIVISOR)


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an exception, or one in its chain, means that the disk is full."""
    while error is not None:
        is_system = isinstance(error, OSError) and error.errno in NO_SPACE
        is_database = type(error).__name__ in ("OperationalError", "DiskFull") and any(
            w in str(error) for w in DISK_FULL_WORDS
        )
        if isinstance(error, DiskFull) or is_system or is_database:
            return True
        error = error.__cause__ or error.__context__
    return False

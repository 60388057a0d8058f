"""What Chosen keeps on disk can be read by the user that runs it and by nobody else of the machine."""

import contextlib
import os
import stat
from pathlib import Path

OTHERS = 0o077  # what group and others may do
OWN_FILES = ("chosen.sqlite3*", "secret_key*", ".writing", "uploads", "spool", "bundle-*", "push-*")  # in DATA_DIR


def write_privately():
    """Whatever this process writes from now on, and what it starts, is for its own user."""
    os.umask(OTHERS)


def keep_private(data_dir: Path, program: Path):
    """Make `data_dir` if it is missing, and take from others what an older version left open to them.

    Of what lies there only our own files and folders change: the folder may hold more. Nothing here stops a start:
    what belongs to somebody else, or lies on a file system without permissions, stays as it is.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    if not is_shared(data_dir, program):
        tighten(data_dir)
    with contextlib.suppress(OSError):
        for path in [match for pattern in OWN_FILES for match in data_dir.glob(pattern)]:
            tighten(path)


def is_shared(folder: Path, program: Path):
    """Whether others have business in the folder: it holds the program or people's homes, or everybody writes there
    as in /tmp."""
    home = Path(os.path.expanduser("~"))
    return folder in (program, *program.parents, *home.parents) or bool(folder.stat().st_mode & stat.S_ISVTX)


def keep_database_private(path: Path):
    """The same for an SQLite database, wherever it lies or a link leads, and for what SQLite writes beside it."""
    path = path.resolve()
    for name in (path.name, *(f"{path.name}{suffix}" for suffix in ("-wal", "-shm", "-journal"))):
        tighten(path.with_name(name))


def tighten(path: Path):
    """Take all rights of group and others from a file or a folder of ours. A link is left alone."""
    with contextlib.suppress(OSError):
        status = path.lstat()
        is_plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        if is_plain and status.st_uid == os.geteuid() and status.st_mode & OTHERS:
            path.chmod(stat.S_IMODE(status.st_mode) & ~OTHERS)

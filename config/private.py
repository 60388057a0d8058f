"""File permissions: the user that runs Chosen can read its data, no other user of the machine can."""

import contextlib
import os
import stat
from pathlib import Path

OTHERS = 0o077  # the permission bits of group and others
OWN_FILES = ("chosen.sqlite3*", "secret_key*", ".writing", "uploads", "spool", "bundle-*", "push-*")  # in DATA_DIR


def write_privately() -> None:
    """Makes all files that this process and its children create from now on private to their user."""
    os.umask(OTHERS)


def keep_private(data_dir: Path, program: Path) -> None:
    """Creates `data_dir` if it is missing, and tightens permissions that an older version left open.

    Changes only our own files and folders, since `data_dir` may hold others too. Never prevents a start: leaves files
    of other users, and file systems without permissions, unchanged.

    program: the folder of the checkout.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    if not is_shared(data_dir, program):
        tighten(data_dir)
    with contextlib.suppress(OSError):
        for path in [match for pattern in OWN_FILES for match in data_dir.glob(pattern)]:
            tighten(path)


def is_shared(folder: Path, program: Path) -> bool:
    """Whether others need access to the folder: it contains the program or home folders, or is sticky like /tmp."""
    home = Path(os.path.expanduser("~"))
    return folder in (program, *program.parents, *home.parents) or bool(folder.stat().st_mode & stat.S_ISVTX)


def keep_database_private(path: Path) -> None:
    """Tightens the permissions of an SQLite database, symbolic links resolved, and of its companion files."""
    path = path.resolve()
    for name in (path.name, *(f"{path.name}{suffix}" for suffix in ("-wal", "-shm", "-journal"))):
        tighten(path.with_name(name))


def tighten(path: Path) -> None:
    """Removes all permissions of group and others from a file or folder of ours. Skips symbolic links."""
    with contextlib.suppress(OSError):
        status = path.lstat()
        is_plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        if is_plain and status.st_uid == os.geteuid() and status.st_mode & OTHERS:
            path.chmod(stat.S_IMODE(status.st_mode) & ~OTHERS)

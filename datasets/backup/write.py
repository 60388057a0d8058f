"""Backup of the whole database into one file, while people judge; datasets/backup/restore.py restores it.

The file is a zip: manifest.json, one JSON Lines file per table (a row is the list of its values, in the manifest's
order of columns), and the spools of imports. All rows come from one consistent read. Left out: sessions, the log of
failed sign-ins, the secret key.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import date, time, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, TypedDict

from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Field, Model
from django.utils import timezone
from django.utils.duration import duration_string

from datasets.db.consistent_read import consistent_read
from datasets.imports.spool import get_spool_folder
from datasets.models import Import

KIND = "chosen-backup"
LAYOUT = 1
LEFT_OUT = {"sessions", "axes"}
ROWS_AT_ONCE = 200  # rows in memory at a time
COMPRESSION = 3
ASIDE = ".chosen-backup"  # suffix of an incomplete backup
DAY_S = 24 * 60 * 60  # seconds
SPOOL_PAGES = 1000  # copied at a time; an import that writes to its spool waits for this at most


class BackupProblem(Exception):
    """A backup that cannot be written or read; the message says why."""


class TableEntry(TypedDict):
    """A table in the manifest. sha256: of its JSON Lines."""

    columns: list[str]
    rows: int
    sha256: str


class Manifest(TypedDict):
    """What a backup holds: manifest.json.

    database: vendor of the database that it was made from.
    schema: {app: its migrations}.
    tables: by model label.
    spools: {name: SHA-256}.
    """

    kind: str | None
    layout: int | None
    version: str
    database: str
    made_at: str
    schema: dict[str, list[str]]
    tables: dict[str, TableEntry]
    spools: dict[str, str]


class BackupSummary(TypedDict):
    """What the commands print about a backup; the numbers are counts."""

    version: str
    made_at: str
    made_on: str
    tables: int
    rows: int
    spools: int


def get_models(left_out: bool = False) -> list[type[Model]]:
    """Models whose rows are in a backup, sorted by label.

    left_out: those whose rows are not in a backup instead.
    """
    models = [m for m in apps.get_models(include_auto_created=True) if m._meta.managed and not m._meta.proxy]
    return sorted((m for m in models if (m._meta.app_label in LEFT_OUT) == left_out), key=lambda m: m._meta.label_lower)


def get_fields(model: type[Model]) -> list["Field[Any, Any]"]:
    """Fields of a model whose values are in a backup."""
    return [field for field in model._meta.concrete_fields if not field.generated]


def read_schema() -> dict[str, list[str]]:
    """{app: its migrations} of the tables in a backup.

    Raises BackupProblem where the database lacks a migration.
    """
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise BackupProblem("The database is not up to date: run `manage.py migrate` first.")
    migrations: dict[str, list[str]] = {model._meta.app_label: [] for model in get_models()}
    for app, name in sorted(executor.loader.applied_migrations):
        if app in migrations:
            migrations[app].append(name)
    return migrations


def write_backup(path: str | Path) -> Manifest:
    """Writes a backup; the file appears under its name when it is complete. Returns the manifest.

    Raises BackupProblem.
    """
    path = Path(path).resolve()
    if path.exists() and not path.is_file():
        raise BackupProblem(f"{path} is no file.")
    manifest: Manifest = {
        "kind": KIND,
        "layout": LAYOUT,
        "version": version("chosen"),
        "database": connection.vendor,
        "made_at": timezone.now().isoformat(),
        "schema": read_schema(),
        "tables": {},
        "spools": {},
    }
    delete_leftovers(path.parent)
    with (
        atomic_file(path) as (file, early),
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive,
    ):
        copy_spools(early)
        with consistent_read():
            for model in get_models():
                manifest["tables"][model._meta.label_lower] = write_table(archive, model)
            for pk in Import.objects.order_by("pk").values_list("pk", flat=True):
                manifest["spools"] |= write_spool(archive, f"import-{pk}.sqlite3", early)
        archive.writestr("manifest.json", json.dumps(manifest, indent=1))
    return manifest


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """(a temporary file next to `path`, a temporary folder)

    Locks the file inside the context; moves it to `path` and deletes the folder at its end. Deletes both on an error.
    """
    number, name = tempfile.mkstemp(ASIDE, f".{path.name}.", path.parent)
    aside, early = Path(name), get_side_folder(name)
    try:
        with open(number, "wb") as file:
            with contextlib.suppress(OSError):  # some file systems have no locks
                fcntl.flock(file, fcntl.LOCK_EX)
            early.mkdir(0o700)
            yield file, early
            shutil.rmtree(early)
            file.flush()
            os.fsync(file.fileno())
            aside.replace(path)
            sync_to_disk(path.parent)
    finally:
        shutil.rmtree(early, ignore_errors=True)
        aside.unlink(missing_ok=True)


def get_side_folder(aside: str | Path) -> Path:
    """Temporary folder that belongs to a temporary file."""
    return Path(f"{aside}.d")


def delete_leftovers(place: Path) -> None:
    """Deletes temporary files that killed backups have left in a folder."""
    for aside in place.glob(f".*{ASIDE}"):
        with contextlib.suppress(OSError):  # another user's file, or already deleted
            if is_left_over(aside):
                shutil.rmtree(get_side_folder(aside), ignore_errors=True)
                aside.unlink()


def is_left_over(aside: Path) -> bool:
    """Whether no process writes a temporary file any more, which would hold its lock.

    On a file system without locks: whether the file is a day old.
    """
    with open(aside, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return os.fstat(file.fileno()).st_mtime < timezone.now().timestamp() - DAY_S
    return True


def write_table(archive: zipfile.ZipFile, model: type[Model]) -> TableEntry:
    """Writes all rows of a table into the archive. Returns its entry in the manifest."""
    names = [field.attname for field in get_fields(model)]
    digest, rows = hashlib.sha256(), 0
    with archive.open(get_member_name(model), "w", force_zip64=True) as member:
        table_rows = model._base_manager.order_by("pk").values_list(*names)
        for row in table_rows.iterator(chunk_size=ROWS_AT_ONCE):
            line = json.dumps(row, ensure_ascii=False, default=convert_value, separators=(",", ":")).encode() + b"\n"
            digest.update(line)
            member.write(line)
            rows += 1
    return {"columns": names, "rows": rows, "sha256": digest.hexdigest()}


def get_member_name(model: type[Model]) -> str:
    """Path of a table in the archive."""
    return f"tables/{model._meta.label_lower}.jsonl"


def convert_value(value: Any) -> str:
    """Text for a value that JSON lacks; the field's to_python parses it."""
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration_string(value)
    if isinstance(value, (bytes, memoryview)):
        return base64.b64encode(value).decode()
    return str(value)


def copy_spools(into: Path) -> None:
    """Copies all spools, before the consistent read: an import that ends during the backup deletes its spool."""
    for path in get_spool_folder().glob("import-*.sqlite3"):
        copy_spool(path.name, into)


def copy_spool(name: str, into: Path) -> bool:
    """Copies a spool in small steps, as an import may be writing to it. Returns whether it still existed."""
    target = Path(into) / name
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{(get_spool_folder() / name).as_uri()}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy, pages=SPOOL_PAGES, sleep=0.01)
    except sqlite3.Error:
        target.unlink(missing_ok=True)
        return False
    return True


def write_spool(archive: zipfile.ZipFile, name: str, early: Path) -> dict[str, str]:
    """Writes an import's spool into the archive. Returns {name: SHA-256}, or {} where the import has none.

    early: folder of the copies by `copy_spools`.
    """
    copy = Path(early) / name
    if not copy.exists() and not copy_spool(name, early):
        return {}
    archive.write(copy, f"spools/{name}")
    with open(copy, "rb") as file:
        return {name: hashlib.file_digest(file, "sha256").hexdigest()}


def sync_to_disk(path: Path) -> None:
    """Flushes a file, or the names in a folder, to the disk."""
    number = os.open(path, os.O_RDONLY)
    os.fsync(number)
    os.close(number)


def build_summary(manifest: Manifest) -> BackupSummary:
    """Summary of a backup."""
    return {
        "version": manifest["version"],
        "made_at": manifest["made_at"],
        "made_on": manifest["database"],
        "tables": len(manifest["tables"]),
        "rows": sum(table["rows"] for table in manifest["tables"].values()),
        "spools": len(manifest["spools"]),
    }

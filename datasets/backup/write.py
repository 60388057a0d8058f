"""The whole database as one file, written while people judge; datasets/backup/restore.py reads it.

A zip: manifest.json, one file of JSON Lines for each table (a row is the list of its values, in the manifest's order of
columns), and the spools of imports. All rows are read in one snapshot. Not in it: who is signed in, counted sign-ins
that failed, the secret key.
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
from datetime import date, time, timedelta
from importlib.metadata import version
from pathlib import Path

from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
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
ASIDE = ".chosen-backup"  # how the name of a backup ends that is not whole yet
DAY_S = 24 * 60 * 60  # seconds
SPOOL_PAGES = 1000  # copied at a time: an import that writes into its spool waits no longer than that


class BackupProblem(Exception):
    """A backup that cannot be written or read; the text says why."""


def get_models(left_out=False):
    """The models whose rows are in a backup (or those whose rows are not), by name."""
    models = [m for m in apps.get_models(include_auto_created=True) if m._meta.managed and not m._meta.proxy]
    return sorted((m for m in models if (m._meta.app_label in LEFT_OUT) == left_out), key=lambda m: m._meta.label_lower)


def get_fields(model):
    return [field for field in model._meta.concrete_fields if not field.generated]


def read_schema():
    """{app: [its migrations]} of the tables in a backup; the database must have all of them."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise BackupProblem("The database is not up to date: run `manage.py migrate` first.")
    migrations = {model._meta.app_label: [] for model in get_models()}
    for app, name in sorted(executor.loader.applied_migrations):
        if app in migrations:
            migrations[app].append(name)
    return migrations


def write_backup(path):
    """Write the backup aside and put it in place when it is whole; its manifest."""
    path = Path(path).resolve()
    if path.exists() and not path.is_file():
        raise BackupProblem(f"{path} is no file.")
    manifest = {"kind": KIND, "layout": LAYOUT, "version": version("chosen"), "database": connection.vendor}
    manifest |= {"made_at": timezone.now().isoformat(), "schema": read_schema(), "tables": {}, "spools": {}}
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
def atomic_file(path):
    """(a file aside, locked while it is written and put in place when that is done; a folder beside it until then)"""
    number, name = tempfile.mkstemp(ASIDE, f".{path.name}.", path.parent)
    aside, early = Path(name), get_side_folder(name)
    try:
        with open(number, "wb") as file:
            with contextlib.suppress(OSError):  # there are file systems without locks
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


def get_side_folder(aside):
    return Path(f"{aside}.d")


def delete_leftovers(place):
    """Remove from a folder what backups have left there that were killed."""
    for aside in place.glob(f".*{ASIDE}"):
        with contextlib.suppress(OSError):  # another user's, or gone by now
            if is_left_over(aside):
                shutil.rmtree(get_side_folder(aside), ignore_errors=True)
                aside.unlink()


def is_left_over(aside):
    """Whether nobody writes the file any more: its lock went with its process. Without locks, whether it is a day
    old."""
    with open(aside, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return os.fstat(file.fileno()).st_mtime < timezone.now().timestamp() - DAY_S
    return True


def write_table(archive, model):
    """All rows of a table into the archive; what the manifest says of them."""
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


def get_member_name(model):
    return f"tables/{model._meta.label_lower}.jsonl"


def convert_value(value):
    """A value as JSON can hold it; the field's to_python reads it back."""
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration_string(value)
    if isinstance(value, (bytes, memoryview)):
        return base64.b64encode(value).decode()
    return str(value)


def copy_spools(into):
    """Copies of the spools as they are before the snapshot: one whose import is finished during the backup goes."""
    for path in get_spool_folder().glob("import-*.sqlite3"):
        copy_spool(path.name, into)


def copy_spool(name, into):
    """Whether it was still there. In small steps, as an import may be writing into it."""
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


def write_spool(archive, name, early):
    """The spool of an import into the archive; {name: SHA-256}, nothing where it has none."""
    copy = Path(early) / name
    if not copy.exists() and not copy_spool(name, early):
        return {}
    archive.write(copy, f"spools/{name}")
    with open(copy, "rb") as file:
        return {name: hashlib.file_digest(file, "sha256").hexdigest()}


def sync_to_disk(path):
    """What was written to a file, or the names in a folder, are on the disk."""
    number = os.open(path, os.O_RDONLY)
    os.fsync(number)
    os.close(number)


def build_summary(manifest):
    """What a backup holds, as the commands print it."""
    return {
        "version": manifest["version"],
        "made_at": manifest["made_at"],
        "made_on": manifest["database"],
        "tables": len(manifest["tables"]),
        "rows": sum(table["rows"] for table in manifest["tables"].values()),
        "spools": len(manifest["spools"]),
    }

"""Restore of a backup into SQLite or PostgreSQL, regardless of which one wrote it; all of it or nothing."""

import contextlib
import hashlib
import itertools
import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.management.color import no_style
from django.db import Error, connection, transaction
from django.db.models import Field, Model

from datasets.backup.write import (
    KIND,
    LAYOUT,
    ROWS_AT_ONCE,
    BackupProblem,
    Manifest,
    TableEntry,
    get_fields,
    get_member_name,
    get_models,
    read_schema,
)
from datasets.imports.spool import get_spool_folder

if TYPE_CHECKING:
    from hashlib import _Hash

SEEDED = {"contenttypes.contenttype", "auth.permission"}  # filled by `migrate`, even in an empty database
FORMAT_ERRORS = (KeyError, TypeError, ValueError, ValidationError, EOFError, zlib.error, zipfile.BadZipFile)


def restore(path: str | Path, replace: bool = False) -> Manifest:
    """Restores a backup. Returns its manifest.

    replace: whether to replace the contents of the database; otherwise it must be empty.

    Raises BackupProblem, and then nothing has changed.
    """
    with backup_archive(path) as archive:
        manifest = read_manifest(archive)
        if not replace and (filled_tables := list_filled_tables()):
            raise BackupProblem(
                f"The database is not empty ({', '.join(filled_tables)}): --replace replaces all it holds."
            )
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            empty_all()
            for model in get_models():
                read_table(cursor, archive, model, manifest["tables"][model._meta.label_lower])
            for statement in connection.ops.sequence_reset_sql(no_style(), get_models()):
                cursor.execute(statement)
            with translated_errors("the rows together"):
                connection.check_constraints()
            if connection.vendor == "postgresql":
                cursor.execute("ANALYZE")  # the planner has no statistics yet
            read_spools(archive, manifest["spools"])
    for spool in get_spool_folder().glob("import-*.sqlite3"):
        if spool.name not in manifest["spools"]:
            spool.unlink()
    return manifest


@contextlib.contextmanager
def backup_archive(path: str | Path) -> Iterator[zipfile.ZipFile]:
    """The archive at this path. Inside the context, raises errors in its contents as BackupProblem."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FORMAT_ERRORS as error:
        raise BackupProblem(f"{path} is no backup of Chosen, or it is damaged: {error}") from error


@contextlib.contextmanager
def translated_errors(what: str) -> Iterator[None]:
    """Raises errors of the database as BackupProblem, with their first line, which quotes no row.

    what: the rows that the database refuses.
    """
    try:
        yield
    except Error as error:
        message = str(error).partition("\n")[0]
        raise BackupProblem(f"The database does not take {what}: {message}") from error


def read_manifest(archive: zipfile.ZipFile) -> Manifest:
    """The manifest of an archive.

    Raises BackupProblem where this version, or the schema of this database, cannot restore it.
    """
    manifest: Any = {"kind": None, "layout": None, **json.loads(archive.read("manifest.json"))}
    if (manifest["kind"], manifest["layout"]) != (KIND, LAYOUT):
        raise BackupProblem("The file is no backup of Chosen that this version reads.")
    here, there = format_migrations(read_schema()), format_migrations(manifest["schema"])
    columns = {model._meta.label_lower: [field.attname for field in get_fields(model)] for model in get_models()}
    backup_columns = {label: table["columns"] for label, table in manifest["tables"].items()}
    if here != there or columns != backup_columns:
        more, less = (", ".join(sorted(names)) or "none" for names in (there - here, here - there))
        raise BackupProblem(
            f"The backup was made by Chosen {manifest['version']} with another schema. Migrations only there: {more}; "
            f"only here: {less}. Install the version that made it, restore there, then upgrade."
        )
    return manifest


def format_migrations(migrations: Mapping[str, Iterable[str]]) -> set[str]:
    """Migrations as app.name."""
    return {f"{app}.{name}" for app, names in migrations.items() for name in names}


def list_filled_tables() -> list[str]:
    """Labels of the models that have rows, of those that `migrate` leaves empty."""
    return [m._meta.label_lower for m in get_models() if m._meta.label_lower not in SEEDED and m._base_manager.exists()]


def empty_all() -> None:
    """Empties all tables, those left out of a backup too, which signs everybody out.

    On PostgreSQL other connections wait until the transaction ends.
    """
    names = [model._meta.db_table for model in (*get_models(), *get_models(left_out=True))]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), names, reset_sequences=True))


def read_table(cursor: Any, archive: zipfile.ZipFile, model: type[Model], announced: TableEntry) -> None:
    """Inserts the rows of a table.

    announced: the table's entry in the manifest.

    Raises BackupProblem where the rows do not match it.
    """
    label, digest = model._meta.label_lower, hashlib.sha256()
    with archive.open(get_member_name(model)) as member:
        reader = BufferedReader(member, 1 << 18)  # type: ignore[type-var]  # in fact, a ZipExtFile
        lines = hash_lines(reader, digest)
        with translated_errors(f"the rows of {label}"):
            rows = insert(cursor, model, (parse_row(get_fields(model), line) for line in lines))
    if (rows, digest.hexdigest()) != (announced["rows"], announced["sha256"]):
        raise BackupProblem(f"{label}: the file is damaged: its rows are not those of its manifest.")


def hash_lines(lines: Iterable[bytes], digest: "_Hash") -> Iterator[bytes]:
    """The lines, each added to the digest."""
    for line in lines:
        digest.update(line)
        yield line


def parse_row(fields: Iterable["Field[Any, Any]"], line: bytes) -> list[Any]:
    """A line's values, prepared for the database."""
    values = zip(fields, json.loads(line), strict=True)
    return [field.get_db_prep_save(field.to_python(value), connection) for field, value in values]


def insert(cursor: Any, model: type[Model], rows: Iterator[list[Any]]) -> int:
    """Inserts rows, bypassing the model's rules, such as dates that set themselves. Returns their number.

    cursor: Any, because only psycopg's has `copy`.
    """
    quote = connection.ops.quote_name
    columns = [quote(str(field.column)) for field in get_fields(model)]
    into, count = f"{quote(model._meta.db_table)} ({', '.join(columns)})", 0
    if connection.vendor == "postgresql":
        with connection.wrap_database_errors, cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
                count += 1
    else:
        sql = f"INSERT INTO {into} VALUES ({', '.join(['%s'] * len(columns))})"
        while batch := list(itertools.islice(rows, ROWS_AT_ONCE)):
            cursor.executemany(sql, batch)
            count += len(batch)
    return count


def read_spools(archive: zipfile.ZipFile, spools: Mapping[str, str]) -> None:
    """Restores the spools of imports.

    spools: {name: SHA-256}.

    Raises ValueError where a name or hash is wrong.
    """
    for name, sha256 in spools.items():
        if not re.fullmatch(r"import-\d+\.sqlite3", name):
            raise ValueError(name)
        aside = get_spool_folder() / f"{name}.{os.getpid()}"
        digest = hashlib.sha256()
        try:
            with archive.open(f"spools/{name}") as member, open(aside, "wb") as file:
                while chunk := member.read(1 << 20):
                    digest.update(chunk)
                    file.write(chunk)
            if digest.hexdigest() != sha256:
                raise ValueError(name)
            aside.replace(get_spool_folder() / name)
        finally:
            aside.unlink(missing_ok=True)

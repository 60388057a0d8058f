"""A backup -> the database: SQLite or PostgreSQL, whichever wrote it, all of it or nothing."""

import contextlib
import hashlib
import itertools
import json
import os
import re
import zipfile
import zlib
from io import BufferedReader

from django.core.exceptions import ValidationError
from django.core.management.color import no_style
from django.db import Error, connection, transaction

from datasets.backup.write import (
    KIND,
    LAYOUT,
    ROWS_AT_ONCE,
    BackupProblem,
    get_fields,
    get_member_name,
    get_models,
    read_schema,
)
from datasets.imports.spool import get_spool_folder

SEEDED = {"contenttypes.contenttype", "auth.permission"}  # `migrate` fills them, also in an empty database
FORMAT_ERRORS = (KeyError, TypeError, ValueError, ValidationError, EOFError, zlib.error, zipfile.BadZipFile)


def restore(path, replace=False):
    """Read a backup into the database, all of it or nothing; its manifest.

    The database must hold nothing yet, unless all that it holds is to be replaced.
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
                cursor.execute("ANALYZE")  # else its first plans are guesses
            read_spools(archive, manifest["spools"])
    for path in get_spool_folder().glob("import-*.sqlite3"):
        if path.name not in manifest["spools"]:
            path.unlink()
    return manifest


@contextlib.contextmanager
def backup_archive(path):
    """The archive at this path; whatever cannot be read in it is a BackupProblem."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FORMAT_ERRORS as error:
        raise BackupProblem(f"{path} is no backup of Chosen, or it is damaged: {error}") from error


@contextlib.contextmanager
def translated_errors(what):
    """What the database refuses is a BackupProblem; the first line of its words quotes no row."""
    try:
        yield
    except Error as error:
        message = str(error).partition("\n")[0]
        raise BackupProblem(f"The database does not take {what}: {message}") from error


def read_manifest(archive):
    """The manifest, if this software and this database can take what it announces."""
    manifest = {"kind": None, "layout": None, **json.loads(archive.read("manifest.json"))}
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


def format_migrations(migrations):
    return {f"{app}.{name}" for app, names in migrations.items() for name in names}


def list_filled_tables():
    """The tables that hold rows, of those that a fresh `migrate` leaves empty."""
    return [m._meta.label_lower for m in get_models() if m._meta.label_lower not in SEEDED and m._base_manager.exists()]


def empty_all():
    """Also what is not in a backup: nobody stays signed in as somebody else. On PostgreSQL everybody else waits."""
    names = [model._meta.db_table for model in (*get_models(), *get_models(left_out=True))]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), names, reset_sequences=True))


def read_table(cursor, archive, model, announced):
    """Insert the rows of a table, and hold them against what the manifest says."""
    label, digest = model._meta.label_lower, hashlib.sha256()
    with archive.open(get_member_name(model)) as member:
        lines = hash_lines(BufferedReader(member, 1 << 18), digest)
        with translated_errors(f"the rows of {label}"):
            rows = insert(cursor, model, (parse_row(get_fields(model), line) for line in lines))
    if (rows, digest.hexdigest()) != (announced["rows"], announced["sha256"]):
        raise BackupProblem(f"{label}: the file is damaged: its rows are not those of its manifest.")


def hash_lines(lines, digest):
    for line in lines:
        digest.update(line)
        yield line


def parse_row(fields, line):
    """A line's values as the database takes them."""
    values = zip(fields, json.loads(line), strict=True)
    return [field.get_db_prep_save(field.to_python(value), connection) for field, value in values]


def insert(cursor, model, rows):
    """Insert rows without the model's own rules (dates that set themselves); how many."""
    quote = connection.ops.quote_name
    columns = [quote(field.column) for field in get_fields(model)]
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


def read_spools(archive, spools):
    """The spools of imports into their folder."""
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

"""Import of 100,000 wide rows into PostgreSQL, against a bare COPY of the same rows.

The baseline's tables have the product's columns, keys and indexes, copied from the catalogue. Each result is the median
of three rounds.
"""

import hashlib
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common import get_row_count, measure_command, say, write_wide_rows

if TYPE_CHECKING:
    from psycopg import Connection

    Batch = tuple[str, str, Iterable[bytes | tuple[Any, ...]]]  # table, columns, blocks or rows
    BuildBatches = Callable[[Connection, Path], list[Batch]]

ROWS = get_row_count(100_000)
TABLES = ("datasets_dataset", "datasets_import", "datasets_prompt", "datasets_response", "datasets_comparison")
FILLED = TABLES[2:]
FOREIGN = """SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'
    AND conrelid = ANY(%s::regclass[]) AND confrelid = ANY(%s::regclass[])"""


def run(environment: dict[str, str], database: str, folder: Path) -> None:
    if database != "postgresql":
        return
    path = folder / "copy.jsonl"
    write_wide_rows(path, ROWS)
    times: dict[str, list[float]] = {"import": [], "bare-copy": [], "bare-script": []}
    for _ in range(3):
        empty_tables(environment["DATABASE_URL"])
        seconds, _, summary = measure_command(environment, "import_dataset", "copy", str(path))
        assert summary["prompts"] == ROWS
        times["import"].append(seconds)
        for name, rows_of in (("bare-copy", read_stored), ("bare-script", build_rows)):
            times[name].append(measure_copy(environment["DATABASE_URL"], rows_of, path))
    seconds, *bare = (sorted(rounds)[1] for rounds in times.values())
    say("import", database, ROWS, seconds, "s")
    for name, ground in zip(list(times)[1:], bare, strict=True):
        say(name, database, ROWS, ground, "s")
        say(f"import-against-{name}", database, ROWS, seconds, "s", name, seconds / ground)


def empty_tables(url: str) -> None:
    """Gives each round the same start: empty tables and a fresh checkpoint."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE datasets_dataset CASCADE")
        connection.execute("CHECKPOINT")


def measure_copy(url: str, rows_of: "BuildBatches", path: Path) -> float:
    """Seconds that a COPY of the batches from rows_of(connection, path) into new tables takes."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS bare CASCADE")
        keys = connection.execute(FOREIGN, (list(TABLES), list(TABLES))).fetchall()
        connection.execute("CREATE SCHEMA bare")
        for table in TABLES:
            connection.execute(f"CREATE TABLE bare.{table} (LIKE public.{table} INCLUDING ALL)")
        for table in TABLES[:2]:
            connection.execute(f"INSERT INTO bare.{table} SELECT * FROM public.{table}")
        connection.execute("SET search_path TO bare")
        for table, key in keys:
            connection.execute(f"ALTER TABLE {table} ADD {key}")
        rows = rows_of(connection, path)
        connection.execute("CHECKPOINT")
        started = time.monotonic()
        with connection.transaction(), connection.cursor() as cursor:
            for table, columns, lines in rows:
                with cursor.copy(f"COPY {table} {columns} FROM STDIN") as copy:
                    for line in lines:
                        copy.write(line) if isinstance(line, bytes) else copy.write_row(line)
        seconds = time.monotonic() - started
        for table in FILLED:
            there, wanted = (
                connection.execute(f"SELECT count(*) FROM {schema}.{table}").fetchone() for schema in ("bare", "public")
            )
            assert there == wanted
    return seconds


def read_stored(connection: "Connection", path: Path) -> "list[Batch]":
    """The rows that the import stored, in COPY format; they are read before the clock starts."""
    rows: list[Batch] = []
    for table in FILLED:
        with connection.cursor().copy(f"COPY public.{table} TO STDOUT") as copy:
            rows.append((table, "", [bytes(block) for block in copy]))
    return rows


def build_rows(connection: "Connection", path: Path) -> "list[Batch]":
    """The rows as a minimal script would build them from the file, while the clock runs."""
    found = connection.execute("SELECT dataset_id, id FROM datasets_import WHERE slug = 'copy'").fetchone()
    assert found
    dataset, imported = found
    none = ("", "[]", "", imported, 0, "[]", "", "[]")
    more = 'turns, input, imported_id, words, tags, "group", origins'
    prompts = f"(id, dataset_id, fingerprint, instruction, system, {more})"
    responses = "(id, prompt_id, text, text_hash, source, candidate, demonstration, imported_id, words)"
    comparisons = "(id, dataset_id, prompt_id, key, wanted, open_slots, priority, held, task, words, review)"

    def iter_rows() -> Iterator[tuple[int, dict[str, str]]]:
        with open(path) as file:
            yield from enumerate(map(json.loads, file), 1)

    def iter_prompts() -> Iterator[tuple[Any, ...]]:
        for n, row in iter_rows():
            mark = compute_sha256(json.dumps(["", [], row["prompt"], ""]))
            yield n, dataset, mark, row["prompt"], *none

    def iter_responses() -> Iterator[tuple[Any, ...]]:
        for n, row in iter_rows():
            for place in (1, 2):
                text = row[f"response_{place}"]
                source = row[f"model_{place}"]
                yield 2 * n - 2 + place, n, text, compute_sha256(text), source, True, False, imported, len(text.split())

    def iter_comparisons() -> Iterator[tuple[Any, ...]]:
        for n, _ in iter_rows():
            yield n, dataset, n, f"{2 * n - 1}-{2 * n}", 1, 1, random.getrandbits(62), "", "judge", 0, ""

    return [
        ("datasets_prompt", prompts, iter_prompts()),
        ("datasets_response", responses, iter_responses()),
        ("datasets_comparison", comparisons, iter_comparisons()),
    ]


def compute_sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

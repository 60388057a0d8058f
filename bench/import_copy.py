"""Import of 100,000 wide rows into PostgreSQL, against a bare COPY of the same rows into tables made like the
product's: the same columns, keys and indexes, as the catalogue has them. Of three rounds the median of each."""

import hashlib
import json
import random
import time

from bench.common import get_row_count, measure_command, say, write_wide_rows

ROWS = get_row_count(100_000)
TABLES = ("datasets_dataset", "datasets_import", "datasets_prompt", "datasets_response", "datasets_comparison")
FILLED = TABLES[2:]
FOREIGN = """SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'
    AND conrelid = ANY(%s::regclass[]) AND confrelid = ANY(%s::regclass[])"""


def run(environment, database, folder):
    if database != "postgresql":
        return
    path = folder / "copy.jsonl"
    write_wide_rows(path, ROWS)
    times = {"import": [], "bare-copy": [], "bare-script": []}
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


def empty_tables(url):
    """Let each round begin with the same."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE datasets_dataset CASCADE")
        connection.execute("CHECKPOINT")


def measure_copy(url, rows_of, path):
    """Seconds that a COPY takes into new tables of what rows_of(connection, path) gives: (table, columns, iterable)."""
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


def read_stored(connection, path):
    """The very rows that the import stored, as PostgreSQL writes them: all is ready before the clock runs."""
    rows = []
    for table in FILLED:
        with connection.cursor().copy(f"COPY public.{table} TO STDOUT") as copy:
            rows.append((table, "", [bytes(block) for block in copy]))
    return rows


def build_rows(connection, path):
    """The rows as the shortest script would make them of the file, while the clock runs."""
    dataset, imported = connection.execute("SELECT dataset_id, id FROM datasets_import WHERE slug = 'copy'").fetchone()
    none = ("", "[]", "", imported, 0, "[]", "")
    prompts = '(id, dataset_id, fingerprint, instruction, system, turns, input, imported_id, words, tags, "group")'
    responses = "(id, prompt_id, text, text_hash, source, candidate, demonstration, imported_id, words)"
    comparisons = "(id, dataset_id, prompt_id, key, wanted, open_slots, priority, held, task, words, review)"

    def iter_rows():
        with open(path) as file:
            yield from enumerate(map(json.loads, file), 1)

    def iter_prompts():
        for n, row in iter_rows():
            mark = compute_sha256(json.dumps(["", [], row["prompt"], ""]))
            yield n, dataset, mark, row["prompt"], *none

    def iter_responses():
        for n, row in iter_rows():
            for place in (1, 2):
                text = row[f"response_{place}"]
                source = row[f"model_{place}"]
                yield 2 * n - 2 + place, n, text, compute_sha256(text), source, True, False, imported, len(text.split())

    def iter_comparisons():
        for n, _ in iter_rows():
            yield n, dataset, n, f"{2 * n - 1}-{2 * n}", 1, 1, random.getrandbits(62), "", "judge", 0, ""

    return [
        ("datasets_prompt", prompts, iter_prompts()),
        ("datasets_response", responses, iter_responses()),
        ("datasets_comparison", comparisons, iter_comparisons()),
    ]


def compute_sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()

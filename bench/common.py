"""Helpers of the benchmarks: generated rows, measured commands, printed results."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
WORDS = [
    "a",
    "trainer",
    "reads",
    "what",
    "people",
    "chose",
    "and",
    "an",
    "answer",
    "is",
    "worth",
    "as",
    "much",
    "as",
    "the",
    "care",
    "with",
    "which",
    "it",
    "was",
    "compared",
]


class CommandResult(NamedTuple):
    seconds: float
    peak: float  # resident memory, MiB
    summary: Any  # the JSON object on the last line of stdout; None if it prints nothing


def get_row_count(n: int) -> int:
    """The ROWS environment variable; n if it is not set."""
    return int(os.environ.get("ROWS") or n)


def draw_text(rng: random.Random, n: int) -> str:
    """N random words, without a full stop. An answer needs one: otherwise each would look cut off."""
    return " ".join(rng.choices(WORDS, k=n))


def write_wide_rows(path: Path, n: int) -> None:
    """Writes n prompts with two answers of about eighty words, as wide JSONL."""
    rng = random.Random(n)
    with open(path, "w") as file:
        for number in range(n):
            row = {"prompt": f"{number} {draw_text(rng, 20)}", "model_1": "a", "model_2": "b"}
            row |= {"response_1": f"1 {draw_text(rng, 80)}.", "response_2": f"2 {draw_text(rng, 80)}."}
            file.write(json.dumps(row) + "\n")


def write_judged_rows(path: Path, n: int) -> None:
    """Writes n judged pairs by seven people."""
    rng = random.Random(n)
    with open(path, "w") as file:
        for number in range(n):
            row = {"prompt": f"{number} {draw_text(rng, 20)}", "annotator": f"p{number % 7}"}
            row |= {"chosen": f"1 {draw_text(rng, 80)}.", "rejected": f"2 {draw_text(rng, 80)}."}
            file.write(json.dumps(row) + "\n")


def measure_command(environment: dict[str, str], *arguments: str) -> CommandResult:
    """Runs one manage.py command; exits if it fails."""
    started = time.monotonic()
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    assert process.stdout
    out = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)}: status {status}")
    lines = out.strip().splitlines()
    summary = json.loads(lines[-1]) if lines else None
    return CommandResult(time.monotonic() - started, usage.ru_maxrss / 1024, summary)


def say(
    bench: str,
    database: str | None,
    n: int,
    value: float,
    unit: str,
    ratio_to: str | None = None,
    ratio: float | None = None,
) -> None:
    """Prints one result as a JSON line; ratio: value divided by the result named `ratio_to`."""
    line = {"bench": bench, "database": database, "n": n, "value": round(value, 2), "unit": unit}
    print(json.dumps({**line, "ratio_to": ratio_to, "ratio": ratio and round(ratio, 3)}), flush=True)

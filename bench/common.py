"""What the benches share: texts, rows, a command measured, a line printed."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

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


def get_row_count(n):
    """How many rows a bench takes: so many, unless ROWS in the environment says otherwise."""
    return int(os.environ.get("ROWS") or n)


def draw_text(rng, n):
    """So many words. As an answer it needs a full stop: no real file has only answers that seem cut off."""
    return " ".join(rng.choices(WORDS, k=n))


def write_wide_rows(path, n):
    """n prompts with two answers of some eighty words, as wide JSONL."""
    rng = random.Random(n)
    with open(path, "w") as file:
        for number in range(n):
            row = {"prompt": f"{number} {draw_text(rng, 20)}", "model_1": "a", "model_2": "b"}
            row |= {"response_1": f"1 {draw_text(rng, 80)}.", "response_2": f"2 {draw_text(rng, 80)}."}
            file.write(json.dumps(row) + "\n")


def write_judged_rows(path, n):
    """n judged pairs by seven people."""
    rng = random.Random(n)
    with open(path, "w") as file:
        for number in range(n):
            row = {"prompt": f"{number} {draw_text(rng, 20)}", "annotator": f"p{number % 7}"}
            row |= {"chosen": f"1 {draw_text(rng, 80)}.", "rejected": f"2 {draw_text(rng, 80)}."}
            file.write(json.dumps(row) + "\n")


def measure_command(environment, *arguments):
    """(seconds, peak resident MiB, summary) of one manage.py command."""
    started = time.monotonic()
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    out = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)}: status {status}")
    lines = out.strip().splitlines()
    return time.monotonic() - started, usage.ru_maxrss / 1024, json.loads(lines[-1]) if lines else None


def say(bench, database, n, value, unit, ratio_to=None, ratio=None):
    line = {"bench": bench, "database": database, "n": n, "value": round(value, 2), "unit": unit}
    print(json.dumps({**line, "ratio_to": ratio_to, "ratio": ratio and round(ratio, 3)}), flush=True)

"""Time of the list of prompts of a large dataset, by filter, as a lead's browser asks for it."""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

from bench.common import ROOT, get_row_count, measure_command, say, write_wide_rows
from bench.judging import Person, serving

PROMPTS, ROUNDS = get_row_count(100_000), 7
STATUSES = ("to_do", "done", "split", "flagged", "gold", "held", "none", "plain")
SCRIPTS = ("zh", "ja", "ko", "cyrillic", "arabic", "other")
FILTERS: dict[str, dict[str, str]] = {
    "none": {},
    "word": {"q": "trainer"},
    "rare-word": {"q": "nowhere"},
    "rare-word-in-answers": {"q": "nowhere", "answers": "on"},
    "accents-in-answers": {"q": "été", "answers": "on"},
    "tag": {"tag": "nowhere"},
    "source": {"source": "b"},
    "rare-source": {"source": "nowhere"},
    **{f"status-{name}": {"status": name} for name in STATUSES},
    **{f"script-{name}": {"script": name} for name in SCRIPTS},
}


def run(environment: dict[str, str], database: str, folder: Path) -> None:
    path = folder / "prompts.jsonl"
    write_wide_rows(path, PROMPTS)
    measure_command(environment, "import_dataset", "prompts", str(path))
    command = [sys.executable, str(ROOT / "bench/sessions.py"), "prompts", "1", "admin"]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    with serving(environment) as port:
        lead = Person(port, json.loads(made.stdout)[0])
        measure_requests(lead, {})  # the first ones load templates
        for name, query in FILTERS.items():
            times = measure_requests(lead, query)
            say(f"prompts-{name}", database, PROMPTS, statistics.median(times), "ms")
            say(f"prompts-{name}-slowest", database, PROMPTS, max(times), "ms")


def measure_requests(lead: Person, query: dict[str, str]) -> list[float]:
    """Milliseconds of each of ROUNDS requests."""
    times: list[float] = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        lead.ask("GET", f"/datasets/prompts/data/?{urlencode(query)}")
        times.append(1000 * (time.perf_counter() - started))
    return times

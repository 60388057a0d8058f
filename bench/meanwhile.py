"""Latency of judging while a worker checks and stores a large import, against the same people with an idle worker.

`make bench ONLY=meanwhile ROWS=200000` changes the size from a million rows. As a command in the benchmark's
environment, `meanwhile.py FILE` uploads a file as the page does and waits until a worker has stored it.
"""

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

    from bench.judging import Person

ROOT = Path(__file__).resolve().parent.parent
PEOPLE, COMPARISONS, THINKING, IDLE = 10, 5000, 0.2, 20


def run(environment: dict[str, str], database: str, folder: Path) -> None:
    from bench.common import get_row_count, measure_command, say, write_wide_rows
    from bench.judging import Person, compute_percentile, serving

    rows = get_row_count(1_000_000)
    write_wide_rows(folder / "meanwhile.jsonl", COMPARISONS)
    write_wide_rows(folder / "large.jsonl", rows)
    measure_command(environment, "import_dataset", "load", str(folder / "meanwhile.jsonl"), f"--overlap={PEOPLE}")
    command = [sys.executable, str(ROOT / "bench/sessions.py"), "meanwhile", str(PEOPLE)]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    with serving(environment) as port:
        people = [Person(port, key) for key in json.loads(made.stdout)]
        measure_judging(people, 5)  # the first requests load the code
        idle = measure_judging(people, IDLE)
        command = [sys.executable, str(ROOT / "bench/meanwhile.py"), str(folder / "large.jsonl")]
        busy = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        checked = read_report(busy)
        while_stored = measure_judging(people, 7200, busy)
        stored = read_report(busy)
        idle = sorted([*idle, *measure_judging(people, IDLE)])
    say("import-while-judged", database, rows, rows / (checked["seconds"] + stored["seconds"]), "rows/s")
    say("idle-acts", database, PEOPLE, len(idle), "judgments")
    say("acts-while-stored", database, PEOPLE, len(while_stored), "judgments")
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1)):
        before, then = compute_percentile(idle, share), compute_percentile(while_stored, share)
        say(f"submit-and-next-{name}-idle", database, PEOPLE, before, "ms")
        say(f"submit-and-next-{name}", database, rows, then, "ms", f"submit-and-next-{name}-idle", then / before)


def read_report(process: "subprocess.Popen[str]") -> Any:
    """The next report of the upload; skips the output of the worker that it started, on the same pipe."""
    assert process.stdout
    return next(said for line in process.stdout if "seconds" in (said := json.loads(line)))


def measure_judging(
    people: "list[Person]", seconds: float, process: "subprocess.Popen[str] | None" = None
) -> list[float]:
    """Sorted seconds of each submit-and-next, for `seconds` or until the process ends."""
    from bench.judging import run_at_once

    over = threading.Event()
    timer = threading.Timer(seconds, over.set)
    timer.start()
    if process:

        def wait() -> None:
            process.wait()
            over.set()

        threading.Thread(target=wait, daemon=True).start()
    try:
        return run_at_once(people, lambda person, took: judge(person, over, took))[1]
    finally:
        timer.cancel()


def judge(person: "Person", over: threading.Event, took: list[float]) -> None:
    """Judges with a short pause before each verdict."""
    from bench.judging import FORM

    person.connect()  # the server may have closed an idle connection
    found = FORM.search(person.ask("GET", "/annotate/load/"))
    while found and not over.wait(THINKING):
        fields = {"judgment": int(found[1]), "revision": 0, "verdict": ("left", "right", "tie")[int(found[1]) % 3]}
        started = time.perf_counter()
        body = person.ask("POST", "/annotate/load/", ready=1, seconds=1, **fields)
        took.append(time.perf_counter() - started)
        found = FORM.search(body) or FORM.search(person.ask("GET", "/annotate/load/"))  # a person's ring has an end


def upload(path: str) -> None:
    """Checks and stores a file through tasks, and prints the seconds of each."""
    from datasets.imports import tasks
    from datasets.models import Import, Job

    fields = {"name": "large.jsonl", "size": os.path.getsize(path), "temporary_file_path": lambda: path}
    file = cast("UploadedFile", SimpleNamespace(**fields))
    started = time.monotonic()
    job = tasks.start_check(None, *tasks.keep_files([file]), "large", {"overlap": 1})
    for step in itertools.count():
        while Job.objects.get(pk=job.pk).is_open:
            time.sleep(0.5)
        job.refresh_from_db()
        print(json.dumps({"seconds": time.monotonic() - started, "state": job.state}), flush=True)
        if step or job.state != "done":
            break
        started = time.monotonic()
        job = tasks.start_store(Import.objects.get(pk=job.result["import"]), None)
    assert job.state == "done", job.error


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    upload(sys.argv[1])

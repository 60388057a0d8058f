"""How long judging takes while a worker checks and stores a large import, against the same people when it is idle.

`make bench ONLY=meanwhile ROWS=200000` for another size than a million. Run as a command in the bench's environment,
`meanwhile.py FILE`, it uploads a file as the page does and waits until a worker has stored it.
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

ROOT = Path(__file__).resolve().parent.parent
PEOPLE, COMPARISONS, THINKING, IDLE = 10, 5000, 0.2, 20


def run(environment, database, folder):
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


def read_report(process):
    """What the upload says next; the worker that it started speaks on the same line."""
    return next(said for line in process.stdout if "seconds" in (said := json.loads(line)))


def measure_judging(people, seconds, process=None):
    """How long each submit-and-next took, sorted, for so many seconds or until a process has ended."""
    from bench.judging import run_at_once

    over = threading.Event()
    timer = threading.Timer(seconds, over.set)
    timer.start()
    if process:
        threading.Thread(target=lambda: (process.wait(), over.set()), daemon=True).start()
    try:
        return run_at_once(people, lambda person, took: judge(person, over, took))[1]
    finally:
        timer.cancel()


def judge(person, over, took):
    """Judge with a short thought before each verdict."""
    from bench.judging import FORM

    person.connect()  # a server may have closed what was idle for long
    found = FORM.search(person.ask("GET", "/annotate/load/"))
    while found and not over.wait(THINKING):
        fields = {"judgment": int(found[1]), "revision": 0, "verdict": ("left", "right", "tie")[int(found[1]) % 3]}
        started = time.perf_counter()
        body = person.ask("POST", "/annotate/load/", want=1, seconds=1, **fields)
        took.append(time.perf_counter() - started)
        found = FORM.search(body)


def upload(path):
    """Check and store a file by tasks, and print how long each took."""
    from datasets.imports import tasks
    from datasets.models import Import, Job

    file = SimpleNamespace(name="large.jsonl", size=os.path.getsize(path), temporary_file_path=lambda: path)
    started = time.monotonic()
    job = tasks.start_check(None, *tasks.keep_files([file]), "large", 1)
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

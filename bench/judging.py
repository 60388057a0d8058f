"""Fifty people judge without a pause until nothing is left: as the browser's script does it, against a server as
`make run` starts it."""

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections import Counter

from bench.common import ROOT, measure_command, say, write_wide_rows

PEOPLE, COMPARISONS, OVERLAP = 50, 10_000, 2
BARE_SECONDS = 6
TOKEN = "b" * 32
FORM = re.compile(r'name=\\?"judgment\\?" value=\\?"(\d+)')
FIELDS = f"Content-Type: application/x-www-form-urlencoded\r\nAccept: application/json\r\nX-CSRFToken: {TOKEN}\r\n"
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@contextlib.contextmanager
def serving(environment):
    """A server as `make run` starts it; its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**environment, "DJANGO_SETTINGS_MODULE": "bench.settings"}
    command = [sys.executable, "-m", "config.serve", "--port", str(port), "--workers", "2"]
    server = subprocess.Popen(command, env=environment, cwd=ROOT, start_new_session=True)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                Person(port, "").ask("GET", "/healthz")
                break
            time.sleep(0.05)
        yield port
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


class Person:
    """A browser that has signed in. It speaks over a socket: the library's HTTP client takes as much of the processor
    as a fast view, and would be measured with it."""

    def __init__(self, port, session):
        self.port = port
        self.connect()
        self.headers = f"Host: 127.0.0.1\r\nCookie: sessionid={session}; csrftoken={TOKEN}\r\n"

    def connect(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def ask(self, method, path, **fields):
        body = urllib.parse.urlencode(fields)
        more = f"{FIELDS}Content-Length: {len(body)}\r\n" if method == "POST" else ""
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{self.headers}{more}\r\n{body}".encode())
        head, body = self.receive_until(b"\r\n\r\n")
        length = int(LENGTH.search(head)[1])
        while len(body) < length:
            body += self.socket.recv(65536)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise AssertionError(f"{head[:15]} {path}: {body[:300]}")
        return body.decode()

    def receive_until(self, until):
        """What comes before and after these bytes."""
        read = b""
        while until not in read:
            more = self.socket.recv(65536)
            if not more:
                raise AssertionError("the server closed the connection")
            read += more
        head, _, rest = read.partition(until)
        return head, rest

    def judge(self, took, saved):
        """Judge until nothing is left, noting how long each submit-and-next took and what was said to be saved."""
        found = FORM.search(self.ask("GET", "/annotate/load/"))
        idle_since = None
        while found or time.monotonic() - idle_since < 3:
            if not found:
                time.sleep(0.1)
                found = FORM.search(self.ask("POST", "/annotate/load/ahead/", x=1))
                continue
            pk = int(found[1])
            fields = {"judgment": pk, "revision": 0, "verdict": ("left", "right", "tie")[pk % 3]}
            started = time.perf_counter()
            body = self.ask("POST", "/annotate/load/", want=1, seconds=1, **fields)
            took.append(time.perf_counter() - started)
            saved.append(pk)
            found = FORM.search(body)
            idle_since = time.monotonic()

    def look(self, pk, until, took):
        while time.monotonic() < until:
            started = time.perf_counter()
            self.ask("GET", f"/bare/{pk}/")
            took.append(time.perf_counter() - started)


def run_at_once(people, act):
    """(seconds, what act(person, list) noted) of all people at once."""
    noted = [[] for _ in people]
    errors = []

    def work(person, into):
        try:
            act(person, into)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(people, noted, strict=True)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return time.monotonic() - started, sorted(itertools.chain(*noted))


def compute_percentile(sorted_times, share):
    """A percentile, in ms."""
    return 1000 * sorted_times[min(len(sorted_times) - 1, int(len(sorted_times) * share))]


def run(environment, database, folder):
    path = folder / "load.jsonl"
    write_wide_rows(path, COMPARISONS)
    measure_command(environment, "import_dataset", "load", str(path), f"--overlap={OVERLAP}")
    made = subprocess.run(
        [sys.executable, str(ROOT / "bench/sessions.py"), "judge", str(PEOPLE)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    with serving(environment) as port:
        people = [Person(port, key) for key in json.loads(made.stdout)]
        pk = int(FORM.search(people[0].ask("GET", "/annotate/load/"))[1])
        bare = [measure_bare_view(people, pk)]
        saved = [[] for _ in people]
        seconds, took = run_at_once(people, lambda person, into: person.judge(into, saved[people.index(person)]))
        bare.append(measure_bare_view(people, pk))
        # The last seconds of waiting for leases of others are no work.
        rate = len(took) / (seconds - 3)
        bare, slowest = (sum(column) / len(bare) for column in zip(*bare, strict=True))
        say("bare-view", database, COMPARISONS, bare, "requests/s")
        say("bare-view-p99", database, COMPARISONS, slowest, "ms")
        say("judging", database, COMPARISONS, rate, "judgments/s", "bare-view", rate / bare)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1)):
            ms = compute_percentile(took, share)
            ratio = ("bare-view-p99", ms / slowest) if name == "p99" else ()
            say(f"submit-and-next-{name}", database, COMPARISONS, ms, "ms", *ratio)
    report_lost(environment, database, folder, [pk for pks in saved for pk in pks])


def measure_bare_view(people, pk):
    """(requests per second, p99 in ms) of the bare view."""
    until = time.monotonic() + BARE_SECONDS
    seconds, took = run_at_once(people, lambda person, into: person.look(pk, until, into))
    return len(took) / seconds, compute_percentile(took, 0.99)


def report_lost(environment, database, folder, saved):
    """What the server said is saved, against the export: each comparison exactly as often as wanted, none lost."""
    out = folder / "every.jsonl"
    arguments = ("export_dataset", "load", "--format=dpo", "--mode=every", f"--output={out}")
    _, _, summary = measure_command(environment, *arguments)
    exported = summary["rows"] + sum(summary["left_out"].values())
    prompts = Counter(json.dumps(json.loads(line)["prompt"]) for line in out.open())
    say("judgments-lost", database, len(saved), len(set(saved)) - exported, "judgments")
    say("judgments-too-many", database, COMPARISONS * OVERLAP, exported - COMPARISONS * OVERLAP, "judgments")
    say("most-on-one-comparison", database, COMPARISONS, max(prompts.values()), "judgments")

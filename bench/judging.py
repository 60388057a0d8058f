"""Fifty people judge without pauses until nothing is left, with the requests of the browser's script.

The server runs as `make run` starts it.
"""

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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.common import ROOT, measure_command, say, write_wide_rows

PEOPLE, COMPARISONS, OVERLAP = 50, 10_000, 2
BARE_SECONDS = 6
TOKEN = "b" * 32
FORM = re.compile(r'name="judgment" value="(\d+)')
FIELDS = f"Content-Type: application/x-www-form-urlencoded\r\nHX-Request: true\r\nX-CSRFToken: {TOKEN}\r\n"
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@contextlib.contextmanager
def serving(environment: dict[str, str]) -> Iterator[int]:
    """The port of a running server, started as `make run` starts it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**environment, "DJANGO_SETTINGS_MODULE": "bench.settings"}
    command = [sys.executable, "-m", "config.serve", "--port", str(port), "--workers", "2"]
    server = subprocess.Popen(command, env=environment, cwd=ROOT, start_new_session=True)
    try:
        for _ in range(1200):
            with contextlib.suppress(OSError):
                Person(port, "").ask("GET", "/healthz")
                break
            time.sleep(0.05)
        yield port
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


class Person:
    """A signed-in browser on a raw socket.

    The standard library's HTTP client needs as much CPU time as a fast view, and would distort the measurement.
    """

    def __init__(self, port: int, session: str) -> None:
        self.port = port
        self.connect()
        self.headers = f"Host: 127.0.0.1\r\nCookie: sessionid={session}; csrftoken={TOKEN}\r\n"

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def ask(self, method: str, path: str, **fields: object) -> str:
        """The body of the response; AssertionError unless it is a 200."""
        body = urllib.parse.urlencode(fields)
        more = f"{FIELDS}Content-Length: {len(body)}\r\n" if method == "POST" else ""
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{self.headers}{more}\r\n{body}".encode())
        head, received = self.receive_until(b"\r\n\r\n")
        found = LENGTH.search(head)
        assert found
        length = int(found[1])
        while len(received) < length:
            received += self.socket.recv(65536)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise AssertionError(f"{head[:15]!r} {path}: {received[:300]!r}")
        return received.decode()

    def receive_until(self, until: bytes) -> tuple[bytes, bytes]:
        """The bytes received before and after `until`."""
        read = b""
        while until not in read:
            more = self.socket.recv(65536)
            if not more:
                raise AssertionError("the server closed the connection")
            read += more
        head, _, rest = read.partition(until)
        return head, rest

    def judge(self, took: list[float], saved: list[int]) -> None:
        """Judges until nothing is left.

        took: receives the seconds of each submit-and-next.
        saved: receives the id of each acknowledged judgment.
        """
        found = FORM.search(self.ask("GET", "/annotate/load/"))
        assert found
        idle_since = 0.0
        while found or time.monotonic() - idle_since < 3:
            if not found:
                time.sleep(0.1)
                found = FORM.search(self.ask("POST", "/annotate/load/ahead/", x=1))
                continue
            pk = int(found[1])
            fields = {"judgment": pk, "revision": 0, "verdict": ("left", "right", "tie")[pk % 3]}
            started = time.perf_counter()
            body = self.ask("POST", "/annotate/load/", ready=1, seconds=1, **fields)
            took.append(time.perf_counter() - started)
            saved.append(pk)
            found = FORM.search(body)
            idle_since = time.monotonic()

    def look(self, pk: int, until: float, took: list[float]) -> None:
        while time.monotonic() < until:
            started = time.perf_counter()
            self.ask("GET", f"/bare/{pk}/")
            took.append(time.perf_counter() - started)


def run_at_once(people: list[Person], act: Callable[[Person, list[float]], object]) -> tuple[float, list[float]]:
    """(total seconds, sorted times that the acts recorded), with one thread per person.

    act: appends its times to the list.

    Raises the first error of an act.
    """
    noted: list[list[float]] = [[] for _ in people]
    errors: list[BaseException] = []

    def work(person: Person, into: list[float]) -> None:
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


def compute_percentile(sorted_times: Sequence[float], share: float) -> float:
    """A percentile in ms; sorted_times: seconds."""
    return 1000 * sorted_times[min(len(sorted_times) - 1, int(len(sorted_times) * share))]


def run(environment: dict[str, str], database: str, folder: Path) -> None:
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
        first = FORM.search(people[0].ask("GET", "/annotate/load/"))
        assert first
        pk = int(first[1])
        measured = [measure_bare_view(people, pk)]
        saved: list[list[int]] = [[] for _ in people]
        seconds, took = run_at_once(people, lambda person, into: person.judge(into, saved[people.index(person)]))
        measured.append(measure_bare_view(people, pk))
        # The final seconds, spent waiting for other people's leases, are idle.
        rate = len(took) / (seconds - 3)
        bare, slowest = (sum(column) / len(measured) for column in zip(*measured, strict=True))
        say("bare-view", database, COMPARISONS, bare, "requests/s")
        say("bare-view-p99", database, COMPARISONS, slowest, "ms")
        say("judging", database, COMPARISONS, rate, "judgments/s", "bare-view", rate / bare)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1)):
            ms = compute_percentile(took, share)
            ratio = ("bare-view-p99", ms / slowest) if name == "p99" else (None, None)
            say(f"submit-and-next-{name}", database, COMPARISONS, ms, "ms", *ratio)
    report_lost(environment, database, folder, [pk for pks in saved for pk in pks])


def measure_bare_view(people: list[Person], pk: int) -> tuple[float, float]:
    """(requests per second, p99 in ms) of the bare view."""
    until = time.monotonic() + BARE_SECONDS
    seconds, took = run_at_once(people, lambda person, into: person.look(pk, until, into))
    return len(took) / seconds, compute_percentile(took, 0.99)


def report_lost(environment: dict[str, str], database: str, folder: Path, saved: list[int]) -> None:
    """Compares the acknowledged judgments with the export: none lost, each comparison exactly OVERLAP times."""
    out = folder / "every.jsonl"
    arguments = ("export_dataset", "load", "--format=dpo", "--mode=every", f"--output={out}")
    _, _, summary = measure_command(environment, *arguments)
    exported = summary["rows"] + sum(summary["left_out"].values())
    prompts = Counter(json.dumps(json.loads(line)["prompt"]) for line in out.open())
    say("judgments-lost", database, len(saved), len(set(saved)) - exported, "judgments")
    say("judgments-too-many", database, COMPARISONS * OVERLAP, exported - COMPARISONS * OVERLAP, "judgments")
    say("most-on-one-comparison", database, COMPARISONS, max(prompts.values()), "judgments")

"""People who read before they judge: how many are served while 99 of 100 acts take less than GOAL_MS.

Each person has the requests of the browser's script: the page, the comparisons kept ready, a verdict for each after a
pause drawn from a log-normal distribution, on one connection that is kept as long as the server keeps it. One process
with one event loop plays all of them, on the server's machine; its own delay is reported (`crowd-client`). In each step
people arrive, ARRIVALS a second, as each fetches several pages; CALM_S later the requests of COUNTED_S are counted.

`make bench ONLY=crowd ROWS=1500` ends with that many people, `PAUSE=5` makes the median pause five seconds, not 20.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

from bench.common import ROOT, get_row_count, measure_command, say, write_wide_rows
from bench.judging import FIELDS, FORM, LENGTH, TOKEN, compute_percentile, serving

STEPS = (100, 250, 500, 750, 1000, 1250, 1500, 1750, 2000, 2500, 3000)
ARRIVALS, CALM_S, COUNTED_S, GOAL_MS, SLOWEST_MS = 12, 8, 28, 150, 1000  # ARRIVALS: people a second
SPREAD = 0.7  # of the logarithm of a pause: one in forty is longer than four medians
COMPARISONS, OVERLAP = 20_000, 5
KEPT = re.compile(r'data-kept="(\d+)"')
PATH = "/annotate/crowd/"
LOOKS_S = 0.05  # between two looks at the delay of this process


class Crowd:
    """The people so far, and what is measured of them.

    took: (moment of its end, seconds) of each act; lags: the same of this process's own delays. saved: verdicts that
    the server acknowledged.
    """

    def __init__(self, port: int, pause: float) -> None:
        self.port, self.pause = port, pause
        self.rng = random.Random(1)
        self.took: list[tuple[float, float]] = []
        self.lags: list[tuple[float, float]] = []
        self.saved = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.is_over = asyncio.Event()

    async def add(self, sessions: list[str], seconds: float) -> None:
        """Lets these people arrive, evenly over the seconds."""
        for session in sessions:
            self.tasks.append(asyncio.create_task(Reader(self, session).judge()))
            await asyncio.sleep(seconds / len(sessions))

    async def watch(self) -> None:
        """Notes how late this process is itself."""
        while not self.is_over.is_set():
            started = time.perf_counter()
            await asyncio.sleep(LOOKS_S)
            now = time.perf_counter()
            self.lags.append((now, now - started - LOOKS_S))

    def draw_pause(self) -> float:
        return self.pause * self.rng.lognormvariate(0, SPREAD)

    async def wait(self, seconds: float) -> bool:
        """Waits; whether the bench goes on."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.is_over.wait(), seconds)
        return not self.is_over.is_set()


class Reader:
    """A signed-in browser of a person who reads. ready: ids of the judgments that it holds, the one shown first."""

    def __init__(self, crowd: Crowd, session: str) -> None:
        self.crowd = crowd
        self.headers = f"Host: 127.0.0.1\r\nCookie: sessionid={session}; csrftoken={TOKEN}\r\n"
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.ready: list[int] = []

    async def judge(self) -> None:
        """Opens the page, then reads and judges until the bench is over or nothing is left."""
        page = await self.ask("GET", PATH)
        found = KEPT.search(page)
        kept = int(found[1]) if found else 1
        self.take(page)
        while self.ready:
            while len(self.ready) <= kept and self.take(await self.ask("POST", f"{PATH}ahead/", have=self.ready)):
                pass
            if not await self.crowd.wait(self.crowd.draw_pause()):
                break
            pk = self.ready.pop(0)
            fields = {"judgment": pk, "revision": 0, "verdict": ("left", "right", "tie")[pk % 3], "seconds": 1}
            answer = await self.ask("POST", PATH, ready=1, **fields)
            self.crowd.saved += 1
            self.take(answer)
        if self.streams:
            self.streams[1].close()

    def take(self, page: str) -> bool:
        """Whether there is another comparison in an answer; keeps it ready."""
        found = FORM.search(page)
        if found and int(found[1]) not in self.ready:
            self.ready.append(int(found[1]))
            return True
        return False

    async def ask(self, method: str, path: str, **fields: object) -> str:
        """The body of the response, timed; AssertionError unless it is a 200.

        As a browser does, it opens a new connection where the server has closed the old one.
        """
        body = urllib.parse.urlencode(fields, doseq=True)
        more = f"{FIELDS}Content-Length: {len(body)}\r\n" if method == "POST" else ""
        request = f"{method} {path} HTTP/1.1\r\n{self.headers}{more}\r\n{body}".encode()
        started = time.perf_counter()
        is_kept = self.streams is not None
        try:
            head, content = await self.send(request)
        except (ConnectionError, asyncio.IncompleteReadError):
            if not is_kept:
                raise
            self.streams = None
            head, content = await self.send(request)
        now = time.perf_counter()
        self.crowd.took.append((now, now - started))
        if not head.startswith(b"HTTP/1.1 200 "):
            raise AssertionError(f"{head[:15]!r} {path}: {content[:300]!r}")
        return content.decode()

    async def send(self, request: bytes) -> tuple[bytes, bytes]:
        """The head and the body of the response."""
        if self.streams is None or self.streams[0].at_eof():
            self.streams = await asyncio.open_connection("127.0.0.1", self.crowd.port, limit=1 << 20)
        reader, writer = self.streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        found = LENGTH.search(head)
        assert found
        return head, await reader.readexactly(int(found[1]))


def run(environment: dict[str, str], database: str, folder: Path) -> None:
    most, pause = get_row_count(STEPS[-1]), float(os.environ.get("PAUSE") or 20)
    steps = [n for n in STEPS if n < most] + [most]
    write_wide_rows(folder / "crowd.jsonl", COMPARISONS)
    measure_command(environment, "import_dataset", "crowd", str(folder / "crowd.jsonl"), f"--overlap={OVERLAP}")
    command = [sys.executable, str(ROOT / "bench/sessions.py"), "crowd", str(most)]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    say("crowd-pause", database, most, pause, "s")
    with serving(environment) as port:
        saved = asyncio.run(run_steps(port, database, json.loads(made.stdout), steps, pause))
    out = folder / "crowd-out.jsonl"
    arguments = ("export_dataset", "crowd", "--format=dpo", "--mode=every", f"--output={out}")
    summary = measure_command(environment, *arguments).summary
    exported = summary["rows"] + sum(summary["left_out"].values())
    say("crowd-lost", database, saved, saved - exported, "judgments")


async def run_steps(port: int, database: str, sessions: list[str], steps: list[int], pause: float) -> int:
    """Runs the steps until one misses the goal, and prints them. Returns the number of acknowledged verdicts."""
    crowd, best, there = Crowd(port, pause), 0, 0
    watching = asyncio.create_task(crowd.watch())
    for n in steps:
        await crowd.add(sessions[there:n], (n - there) / ARRIVALS)
        there = n
        await asyncio.sleep(CALM_S)
        since = time.perf_counter()
        await asyncio.sleep(COUNTED_S)
        raise_first_error(crowd.tasks)
        if report_step(crowd, database, n, since) > GOAL_MS:
            break
        best = n
    crowd.is_over.set()
    await asyncio.gather(*crowd.tasks, watching)
    say("crowd", database, there, best, f"people with a p99 up to {GOAL_MS} ms")
    return crowd.saved


def raise_first_error(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done():
            task.result()


def report_step(crowd: Crowd, database: str, n: int, since: float) -> float:
    """Prints a step; its p99 in ms."""
    took = sorted(seconds for moment, seconds in crowd.took if moment > since)
    lags = sorted(seconds for moment, seconds in crowd.lags if moment > since)
    say("crowd-acts", database, n, len(took) / COUNTED_S, "requests/s")
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1)):
        ms = compute_percentile(took, share)
        goal = {"p99": GOAL_MS, "max": SLOWEST_MS}.get(name)
        ratio = (f"goal of {goal} ms", ms / goal) if goal else (None, None)
        say(f"crowd-{name}", database, n, ms, "ms", *ratio)
    say("crowd-client-p99", database, n, compute_percentile(lags, 0.99), "ms")
    return compute_percentile(took, 0.99)

"""Renders texts in child processes with limits on time and memory, so that no text can block a server process.

A timer of the operating system kills a child that takes too long, even inside a runaway regular expression, and a new
child replaces it. Callers wait at most MAX_WAIT for a free child, and at most MAX_PAGE_TIME for all texts of a page.

`python -m datasets.text.renderers FD SECONDS BYTES` runs a child; it imports no Django.
"""

import contextlib
import json
import os
import queue
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import NamedTuple

from datasets.counters import count_plain
from datasets.text.markdown import (
    PromptHtml,
    render,
    render_plain,
    render_plain_prompt,
    render_prompt,
    render_simple,
    render_simple_prompt,
)

CHILDREN = 2
SECONDS = 1.0  # of processor time, for one text or one prompt
MAX_WAIT = 0.3  # seconds for a free child
MAX_PAGE_TIME = 2.5  # seconds for all texts of a page
MEMORY = 512 << 20  # bytes of address space of a child
SLOW, MEMORY_OUT, LONG = "time", "memory", "long"  # why a text is shown as plain text
ROOT = Path(__file__).resolve().parents[2]


class PromptJob(NamedTuple):
    """A prompt to render. turns: [[role, text], …]."""

    system: str
    turns: list[list[str]]
    instruction: str
    input: str


Job = str | PromptJob


class Rendered(NamedTuple):
    """What a renderer makes of a job.

    html: of a text, its HTML; of a prompt, that of its parts.
    why: "" if rendered; the reason if it is shown as plain text permanently; None if plain this time only, because no
        renderer had time.
    seconds: processor time.
    """

    html: str | PromptHtml
    why: str | None
    seconds: float


class Child:
    """A process that renders.

    seconds: processor time per job.
    memory: bytes.
    """

    def __init__(self, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        ours, theirs = Pipe()
        command = [sys.executable, "-m", "datasets.text.renderers", *map(str, (theirs.fileno(), seconds, memory))]
        self.process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        self.line = ours

    def ask(self, job: Job, seconds: float) -> Rendered | None:
        """The rendered job; None if it takes longer than `seconds`.

        Raises EOFError or OSError if the child has exited.
        """
        self.line.send_bytes(json.dumps(job).encode())
        return Rendered(*json.loads(self.line.recv_bytes())) if self.line.poll(max(0, seconds)) else None

    def end(self) -> str | None:
        """Stops the child; returns the reason if it had already exited (SLOW or MEMORY_OUT)."""
        self.line.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self.process.wait(0.05)
            return SLOW if code == -signal.SIGPROF else MEMORY_OUT
        self.process.kill()
        self.process.wait()
        return None


class Renderers:
    """A pool of children, each started when first needed.

    seconds, memory: the limits of each child.
    """

    def __init__(self, children: int = CHILDREN, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self.seconds, self.memory = seconds, memory
        self.places: queue.LifoQueue[Child | None] = queue.LifoQueue()
        for _ in range(children):
            self.places.put(None)

    def render(self, jobs: Sequence[Job]) -> list[Rendered]:
        """Renders the jobs of a page, within MAX_PAGE_TIME in total."""
        until = time.monotonic() + MAX_PAGE_TIME
        try:
            child = self.places.get(timeout=MAX_WAIT)
        except queue.Empty:
            return [show_plain(job, "busy") for job in jobs]
        results: list[Rendered] = []
        try:
            for job in jobs:
                child = child or Child(self.seconds, self.memory)
                result, child = self.render_one(child, job, until - time.monotonic())
                results.append(result)
        finally:
            if child:
                self.places.put(child)
            else:
                threading.Thread(target=self.refill, daemon=True).start()
        return results

    def render_one(self, child: Child, job: Job, seconds: float) -> tuple[Rendered, Child | None]:
        """The rendered job and the child; None in place of a child that has exited."""
        if seconds <= 0:
            return show_plain(job, "page"), child
        try:
            answer = child.ask(job, seconds)
        except (EOFError, OSError):
            why = child.end() or SLOW
            return show_plain(job, why, why, SECONDS), None
        if answer is None:
            child.end()
            return show_plain(job, "page"), None
        return answer, child

    def refill(self) -> None:
        """Replaces a child that has exited; if that fails, the next caller tries again."""
        child = None
        try:
            child = Child(self.seconds, self.memory)
        finally:
            self.places.put(child)

    def start(self) -> None:
        """Starts the children before anybody waits for them; called once, when a process begins to serve."""
        for _ in range(self.places.qsize()):
            self.places.get()
            threading.Thread(target=self.refill, daemon=True).start()


def render_simple_job(job: Job) -> Rendered | None:
    """Renders a job without markup, which needs no child; None for any other job."""
    html = render_simple(job) if isinstance(job, str) else render_simple_prompt(*job)
    return None if html is None else Rendered(html, "", 0)


def show_plain(job: Job, limit: str, why: str | None = None, seconds: float = 0) -> Rendered:
    """A job as plain text, counted. limit: that was reached, of counters.RENDERING. why, seconds: see Rendered."""
    count_plain(limit)
    return Rendered(render_plain_job(job), why, seconds)


def render_plain_job(job: Job) -> str | PromptHtml:
    return render_plain(job) if isinstance(job, str) else render_plain_prompt(*job)


def serve(line: Connection, seconds: float, memory: int) -> None:
    """Renders jobs, as a child, until the parent is gone."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the parent
    while True:
        try:
            job = json.loads(line.recv_bytes())
        except (EOFError, OSError):
            return
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, seconds)  # no handler: SIGPROF kills the process
        html, why = render(job) if isinstance(job, str) else render_prompt(*job)
        signal.setitimer(signal.ITIMER_PROF, 0)
        line.send_bytes(json.dumps([html, why, time.process_time() - began]).encode())


if __name__ == "__main__":
    # A child out of memory exits quietly: its parent recognises that.
    with contextlib.suppress(BrokenPipeError, MemoryError):
        serve(Connection(int(sys.argv[1])), float(sys.argv[2]), int(sys.argv[3]))
    os._exit(1)

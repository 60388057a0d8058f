"""Rendering in processes of its own, each with limits of time and memory: no text can hold up a process that serves.

A child ends itself (a timer of the system, which also ends a regular expression that never comes back) and a new one
takes its place. Nobody waits for a child longer than MAX_WAIT, nor for a page longer than MAX_PAGE_TIME.

`python -m datasets.text.renderers FD SECONDS BYTES` is a child; it knows no Django.
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
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

from datasets.text.markdown import (
    render,
    render_plain,
    render_plain_prompt,
    render_prompt,
    render_simple,
    render_simple_prompt,
)

CHILDREN = 2
SECONDS = 1.0  # of the processor, for one text or one prompt
MAX_WAIT = 0.3  # seconds for a free child
MAX_PAGE_TIME = 2.5  # seconds for all texts of a page
MEMORY = 512 << 20  # bytes that a child may have
SLOW, MEMORY_OUT, LONG = "time", "memory", "long"  # why a text is shown as plain text
ROOT = Path(__file__).resolve().parents[2]


class Child:
    """One process that renders."""

    def __init__(self, seconds=SECONDS, memory=MEMORY):
        ours, theirs = Pipe()
        command = [sys.executable, "-m", "datasets.text.renderers", *map(str, (theirs.fileno(), seconds, memory))]
        self.process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        self.line = ours

    def ask(self, job, seconds):
        """[html, why as plain text, seconds it took]; None where it is not done by then.

        Raises:
            EOFError, OSError: the child has ended.
        """
        self.line.send_bytes(json.dumps(job).encode())
        return json.loads(self.line.recv_bytes()) if self.line.poll(max(0, seconds)) else None

    def end(self):
        """Stop it; why it ended, if by itself."""
        self.line.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self.process.wait(0.05)
            return SLOW if code == -signal.SIGPROF else MEMORY_OUT
        self.process.kill()
        self.process.wait()
        return None


class Renderers:
    """CHILDREN places for a child each, started when first needed."""

    def __init__(self, children=CHILDREN, **limits):
        self.limits = limits
        self.places = queue.LifoQueue()
        for _ in range(children):
            self.places.put(None)

    def render(self, jobs):
        """What comes of each job, a text or [system, turns, instruction, input]: (html, why, seconds).

        why: "" where it is rendered; the reason where it is shown as plain text for good; None where it is plain this
        time only, since there was no time.
        """
        until = time.monotonic() + MAX_PAGE_TIME
        try:
            child = self.places.get(timeout=MAX_WAIT)
        except queue.Empty:
            return [(render_plain_job(job), None, 0) for job in jobs]
        results = []
        try:
            for job in jobs:
                child = child or Child(**self.limits)
                result, child = self.render_one(child, job, until - time.monotonic())
                results.append(result)
        finally:
            if child:
                self.places.put(child)
            else:
                threading.Thread(target=self.refill, daemon=True).start()
        return results

    def render_one(self, child, job, seconds):
        """((html, why, seconds), the child; None where it has ended)"""
        if seconds <= 0:
            return (render_plain_job(job), None, 0), child
        try:
            answer = child.ask(job, seconds)
        except (EOFError, OSError):
            return (render_plain_job(job), child.end() or SLOW, SECONDS), None
        if answer is None:
            child.end()
            return (render_plain_job(job), None, 0), None
        return tuple(answer), child

    def refill(self):
        """Start a child where one has ended; where that fails, whoever needs it tries again."""
        child = None
        try:
            child = Child(**self.limits)
        finally:
            self.places.put(child)

    def start(self):
        """Start the children before somebody waits for them; called once, when a process begins to serve."""
        for _ in range(self.places.qsize()):
            self.places.get()
            threading.Thread(target=self.refill, daemon=True).start()


def render_simple_job(job):
    """What comes of a job whose texts have no markup, and need no child; None for any other."""
    html = render_simple(job) if isinstance(job, str) else render_simple_prompt(*job)
    return None if html is None else (html, "", 0)


def render_plain_job(job):
    return render_plain(job) if isinstance(job, str) else render_plain_prompt(*job)


def serve(line, seconds, memory):
    """What a child does until its parent is gone."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the parent
    while True:
        try:
            job = json.loads(line.recv_bytes())
        except (EOFError, OSError):
            return
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, seconds)  # nobody handles SIGPROF: it ends the process
        html, why = render(job) if isinstance(job, str) else render_prompt(*job)
        signal.setitimer(signal.ITIMER_PROF, 0)
        line.send_bytes(json.dumps([html, why, time.process_time() - began]).encode())


if __name__ == "__main__":
    # A child without memory just ends: its parent knows what that means.
    with contextlib.suppress(BrokenPipeError, MemoryError):
        serve(Connection(int(sys.argv[1])), float(sys.argv[2]), int(sys.argv[3]))
    os._exit(1)

"""People who judge while the server is attacked. A ledger records each acknowledged verdict.

`python -m attack.people PORT DATASET SESSIONS LEDGER SEED PAUSE` runs a crowd in a separate process, so that the
attackers do not slow it down. It judges until its standard input closes.
"""

import contextlib
import html
import json
import random
import re
import socket
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOKEN = "b" * 32
ANSWERED_WITHIN = 60  # seconds, after which a connection counts as cut
MOST_TRIES = 600
PATIENCE = 120  # seconds of retries for a verdict
AGAIN = 0.2  # seconds between retries
LONGEST = 1200  # seconds that a crowd judges
PAGE_EVERY = 8  # verdicts, after which a person loads the whole page
HEALTH_EVERY = 0.25  # seconds
SENT_AGAIN = (403, 408, 429)  # and from 500: static/outbox.js retries the same statuses
HIDDEN = re.compile(r'<input type="hidden" name="(judgment|revision)" value="(\d+)"')
SIDE = re.compile(r'data-response="(left|right)">(.*?)</div>', re.DOTALL)


@dataclass
class Answer:
    status: int
    head: bytes
    body: bytes


@dataclass
class Comparison:
    """What a person sees: the form's judgment, and the two answers as text."""

    judgment: int
    revision: int
    left: str
    right: str


class Cut(OSError):
    """The connection ended before the response was complete."""


class Person:
    """A signed-in browser with one keep-alive connection.

    session: a session key; "" for an anonymous browser.
    source: the address to connect from.
    """

    def __init__(self, port: int, session: str, source: str = "127.0.0.1") -> None:
        self.port, self.source = port, source
        self.socket: socket.socket | None = None
        cookie = f"sessionid={session}; csrftoken={TOKEN}" if session else f"csrftoken={TOKEN}"
        self.headers = f"Host: 127.0.0.1\r\nCookie: {cookie}\r\n"

    def close(self) -> None:
        if self.socket:
            self.socket.close()
        self.socket = None

    def request(self, method: str, path: str, fields: dict[str, Any] | None = None, htmx: bool = True) -> bytes:
        """The bytes of a request, as the browser's script sends it."""
        body = urllib.parse.urlencode(fields or {})
        more = "HX-Request: true\r\n" if htmx else ""
        if method == "POST":
            more += f"Content-Type: application/x-www-form-urlencoded\r\nX-CSRFToken: {TOKEN}\r\n"
            more += f"Content-Length: {len(body)}\r\n"
        return f"{method} {path} HTTP/1.1\r\n{self.headers}{more}\r\n{body}".encode()

    def send(self, data: bytes) -> None:
        if not self.socket:
            address, source = ("127.0.0.1", self.port), (self.source, 0)
            self.socket = socket.create_connection(address, timeout=ANSWERED_WITHIN, source_address=source)
        self.socket.sendall(data)

    def ask(self, method: str, path: str, fields: dict[str, Any] | None = None, htmx: bool = True) -> Answer:
        """The response to a request.

        Raises OSError if none arrives.
        """
        try:
            self.send(self.request(method, path, fields, htmx))
            return self.receive()
        except OSError:
            self.close()
            raise

    def receive(self) -> Answer:
        """One response with a Content-Length."""
        read = b""
        while b"\r\n\r\n" not in read:
            read += self.receive_more()
        head, _, body = read.partition(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        length = int(found[1]) if found else 0
        while len(body) < length:
            body += self.receive_more()
        if re.search(rb"connection: close", head, re.IGNORECASE):
            self.close()
        # A redirect, to the sign-in page for example, comes to htmx as a header.
        return Answer(302 if b"hx-redirect:" in head.lower() else int(head[9:12]), head, body)

    def receive_more(self) -> bytes:
        assert self.socket
        data = self.socket.recv(65536)
        if not data:
            raise Cut("the server closed the connection")
        return data


def parse_comparison(page: str) -> Comparison | None:
    """The Comparison in a page or a fragment; None if there is no form."""
    form = page.partition("<form data-comparison")[2].partition("</form>")[0]
    hidden, sides = dict(HIDDEN.findall(form)), dict(SIDE.findall(form))
    if len(hidden) < 2:
        return None
    left, right = (strip_tags(sides.get(side, "")) for side in ("left", "right"))
    return Comparison(int(hidden["judgment"]), int(hidden["revision"]), left, right)


def strip_tags(markup: str) -> str:
    """The words of some HTML."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


class Ledger:
    """A file of JSON lines that several threads write."""

    def __init__(self, path: Path | str) -> None:
        self.file, self.guard = Path(path).open("a", buffering=1), threading.Lock()  # noqa: SIM115

    def write(self, **line: object) -> None:
        with self.guard:
            self.file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        self.file.close()


@dataclass
class Worker:
    """A person who judges a dataset, and the ledger of their acts."""

    person: Person
    dataset: str
    name: str
    ledger: Ledger
    rng: random.Random
    over: threading.Event
    pause: float = 0.3
    seen: dict[int, tuple[str, str]] = field(default_factory=dict)  # judgment: (left, right) as shown

    @property
    def path(self) -> str:
        return f"/annotate/{self.dataset}/"

    def judge_on(self) -> None:
        """Judges with short pauses until `over` is set; reloads the page while nothing is left."""
        until, acts = time.monotonic() + LONGEST, 0
        shown: Comparison | None = None
        while not self.over.is_set() and time.monotonic() < until:
            if shown is None or acts % PAGE_EVERY == PAGE_EVERY - 1:
                shown, acts = self.look(), acts + 1
                if shown is None and self.over.wait(0.5):
                    return
                continue
            if self.over.wait(self.pause * self.rng.uniform(0.5, 1.5)):
                return
            shown, acts = self.judge(shown), acts + 1

    def look(self) -> Comparison | None:
        """Loads the page; returns its comparison."""
        answer = self.send_until_answered("page", "GET", self.path, htmx=False)
        shown = parse_comparison(answer.body.decode()) if answer and answer.status == 200 else None
        if shown:
            before = self.seen.setdefault(shown.judgment, (shown.left, shown.right))
            if before != (shown.left, shown.right):
                now = time.monotonic()
                self.ledger.write(kind="moved", judgment=shown.judgment, began=now, ended=now)
        return shown

    def judge(self, shown: Comparison) -> Comparison | None:
        """Gives a verdict; returns the next comparison."""
        verdict = self.rng.choices(("left", "right", "tie"), (45, 45, 10))[0]
        answer = self.send_until_answered("verdict", "POST", self.path, build_form(shown, verdict), shown, verdict)
        return self.read_next(answer)

    def read_next(self, answer: Answer | None) -> Comparison | None:
        """The next comparison in the response to a verdict."""
        if not answer or answer.status != 200:
            return None
        following = parse_comparison(answer.body.decode())
        if following:
            self.seen[following.judgment] = (following.left, following.right)
        return following

    def send_until_answered(
        self,
        kind: str,
        method: str,
        path: str,
        form: dict[str, Any] | None = None,
        shown: Comparison | None = None,
        verdict: str | None = None,
        htmx: bool = True,
    ) -> Answer | None:
        """The response to a request that is retried until it arrives; None if none arrives within PATIENCE.

        Notes the act, with the waiting time, in the ledger.
        """
        began = time.monotonic()
        answer: Answer | None = None
        said: list[int | str] = []
        for _ in range(MOST_TRIES):
            answer = None
            try:
                answer = self.person.ask(method, path, form, htmx)
            except OSError as problem:
                said.append(type(problem).__name__)
            else:
                said.append(answer.status)
                if answer.status < 500 and answer.status not in SENT_AGAIN:
                    break
            if time.monotonic() - began > PATIENCE or self.over.wait(AGAIN):
                break
        self.note(kind, began, answer, said, shown, verdict)
        return answer

    def note(
        self,
        kind: str,
        began: float,
        answer: Answer | None,
        said: list[int | str],
        shown: Comparison | None = None,
        verdict: str | None = None,
    ) -> None:
        """Writes an act into the ledger.

        said: the status, or the name of the error, of each try.
        """
        line: dict[str, Any] = {
            "kind": kind,
            "began": began,
            "ended": time.monotonic(),
            "said": said,
            "name": self.name,
        }
        line["answered"] = answer is not None and answer.status == 200
        if kind == "page" and answer and answer.status in (301, 302):
            line["where"] = answer.head[:400].decode("latin1")
        if shown:
            line |= {"dataset": self.dataset, "judgment": shown.judgment, "verdict": verdict}
            line |= {"left": shown.left, "right": shown.right}
            if answer and answer.status != 200:
                line["refused"] = answer.body[:300].decode("utf-8", "replace")
        self.ledger.write(**line)


def build_form(shown: Comparison, verdict: str) -> dict[str, Any]:
    return {"judgment": shown.judgment, "revision": shown.revision, "verdict": verdict, "ready": 1, "seconds": 1}


def watch_health(port: int, ledger: Ledger, over: threading.Event) -> None:
    """Polls /healthz, each time over a new connection, and notes each response."""
    until = time.monotonic() + LONGEST
    while not over.wait(HEALTH_EVERY) and time.monotonic() < until:
        began, status, person = time.monotonic(), 0, Person(port, "")
        with contextlib.suppress(OSError):
            status = person.ask("GET", "/healthz").status
        person.close()
        ledger.write(kind="healthz", began=began, ended=time.monotonic(), said=[status], answered=status == 200)


def main(port: str, dataset: str, sessions: str, path: str, seed: str, pause: str) -> None:
    over, ledger = threading.Event(), Ledger(path)
    threads = [threading.Thread(target=watch_health, args=(int(port), ledger, over), daemon=True)]
    for number, session in enumerate(json.loads(Path(sessions).read_text())):
        rng = random.Random(f"{seed} {number}")
        worker = Worker(Person(int(port), session), dataset, f"{dataset} {number}", ledger, rng, over, float(pause))
        threads.append(threading.Thread(target=worker.judge_on, daemon=True))
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join(ANSWERED_WITHIN + 5)


if __name__ == "__main__":
    main(*sys.argv[1:])

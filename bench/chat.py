"""Fifty people chat: how long the page makes them wait, and what they do to those who judge.

Each says something, looks for the answers as the page does (every POLL_S), chooses, and goes on, with pauses in which
people read and type. The model is a fake endpoint that takes ANSWER_S for each answer; that time is not the page's. The
page's own wait is that of each request: first while nobody judges, then while others do. The people who chat are a
process of their own, so that those who judge do not wait for its interpreter.

As a command, `chat.py` lets people chat as its argument says (JSON), and prints the seconds of their requests.
"""

import http.client
import json
import random
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path
from typing import TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.common import ROOT, measure_command, say, write_wide_rows

PEOPLE, JUDGES, COMPARISONS = 50, 8, 3000
PAUSE_S, ANSWER_S, POLL_S = (4.0, 12.0), 1.0, 0.7  # to read two answers, or to type a message
QUIET_S, CHAT_S, ROUNDS = 10, 30, 3
TOKEN = "b" * 32
Took: TypeAlias = dict[str, list[float]]
FIELD = {name: re.compile(rf'name="{name}" value="([^"]*)"') for name in ("key", "number", "judgment", "revision")}


class Chatter:
    """A person at the chat page.

    took: seconds of each request, by kind. polls: of the turns.
    """

    def __init__(self, port: int, session: str, number: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.headers = {"Cookie": f"sessionid={session}; csrftoken={TOKEN}", "X-CSRFToken": TOKEN}
        self.rng, self.number = random.Random(number), number
        self.took: Took = {"look": [], "say": [], "poll": [], "judge": []}

    def ask(self, kind: str, path: str, fields: dict[str, str] | None = None) -> tuple[str, http.client.HTTPResponse]:
        """(body, response) of one request, whose time is noted."""
        headers = dict(self.headers)
        if kind == "poll":
            headers["HX-Request"] = "true"
        body = None if fields is None else urllib.parse.urlencode(fields)
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        started = time.perf_counter()
        self.connection.request("GET" if body is None else "POST", path, body, headers)
        response = self.connection.getresponse()
        text = response.read().decode()
        self.took[kind].append(time.perf_counter() - started)
        assert response.status in (200, 204, 302), (response.status, text[:300])
        return text, response

    def pause(self) -> None:
        """Waits as a person does; the server closes idle connections meanwhile, and a browser opens another."""
        self.connection.close()
        time.sleep(self.rng.uniform(*PAUSE_S))

    def chat(self, until: float) -> None:
        """Talks until a moment of time.monotonic()."""
        time.sleep(self.rng.uniform(0, PAUSE_S[1]))  # before the first connection
        page, turns = self.ask("look", "/chat/talk/?new")[0], 0
        while time.monotonic() < until:
            turns += 1
            said = {"key": read(page, "key"), "number": read(page, "number"), "text": f"{self.number}: {turns}?"}
            _, answer = self.ask("say", "/chat/talk/", said)
            page = self.ask("look", answer.headers["Location"])[0]
            while "data-waiting" in page:
                time.sleep(POLL_S)
                if self.ask("poll", f"/chat/talk/?chat={said['key']}")[1].headers.get("HX-Refresh"):
                    page = self.ask("look", "/chat/talk/")[0]
            self.pause()
            verdict = {name: read(page, name) for name in ("judgment", "revision")}
            _, answer = self.ask("judge", "/chat/talk/judge/", verdict | {"verdict": "left"})
            page = self.ask("look", answer.headers["Location"])[0]
            self.pause()


def read(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = FIELD[name].search(page)
    assert found, page[:2000]
    return found[1]


def run(environment: dict[str, str], database: str, folder: Path) -> None:
    from bench.judging import Person, compute_percentile, serving
    from bench.meanwhile import measure_judging
    from tests.fake_endpoint import run_fake_endpoint

    write_wide_rows(folder / "load.jsonl", COMPARISONS)
    measure_command(environment, "import_dataset", "load", str(folder / "load.jsonl"), f"--overlap={JUDGES}")
    (folder / "talk.jsonl").write_text('{"prompt": "Hello?"}\n')
    measure_command(environment, "import_dataset", "talk", str(folder / "talk.jsonl"))
    with run_fake_endpoint() as fake:
        fake.configure(delay_s=ANSWER_S)
        measure_command(environment, "add_model", "fake", f"--url={fake.url}", "--model=fake-small")
        measure_command(environment, "set_dataset", "talk", "--chat", "fake")
        sessions = create_sessions(environment, "chat", PEOPLE), create_sessions(environment, "judge", JUDGES)
        with serving(environment) as port:
            judges = [Person(port, key) for key in sessions[1]]
            measure_judging(judges, 5)  # the first requests load the code
            quiet, meanwhile = [], []
            alone, beside = [finish_chatting(start_chatting(port, sessions[0], 0))], []
            for number in range(1, ROUNDS + 1):
                quiet.append(compute_percentile(measure_judging(judges, QUIET_S), 0.95))
                chatting = start_chatting(port, sessions[0], number)
                meanwhile.append(compute_percentile(measure_judging(judges, CHAT_S), 0.95))
                beside.append(finish_chatting(chatting))
    report_pages("chat", database, alone)
    report_pages("chat-while-judging", database, beside)
    ratio = statistics.median(then / before for then, before in zip(meanwhile, quiet, strict=True))
    say("submit-and-next-p95-quiet", database, JUDGES, statistics.median(quiet), "ms")
    name = "submit-and-next-p95-while-chatting"
    say(name, database, JUDGES, statistics.median(meanwhile), "ms", "submit-and-next-p95-quiet", ratio)


def start_chatting(port: int, sessions: list[str], number: int) -> "subprocess.Popen[str]":
    """Lets people chat for CHAT_S; number: of the round, so that each says something new."""
    command = [sys.executable, str(ROOT / "bench/chat.py"), json.dumps([port, sessions, number])]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish_chatting(process: "subprocess.Popen[str]") -> Took:
    """The seconds of each request of the people who chat, by kind, once they have ended."""
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"chat.py: status {process.returncode}")
    took: Took = json.loads(out)
    return took


def chat(port: int, sessions: list[str], number: int) -> Took:
    """Lets people chat for CHAT_S. Returns the seconds of each of their requests, by kind."""
    people = [Chatter(port, key, PEOPLE * number + n) for n, key in enumerate(sessions)]
    until = time.monotonic() + CHAT_S
    threads = [threading.Thread(target=person.chat, args=[until]) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {kind: [seconds for person in people for seconds in person.took[kind]] for kind in people[0].took}


def report_pages(name: str, database: str, rounds: list[Took]) -> None:
    """Prints what the pages of a chat took."""
    from bench.judging import compute_percentile

    every = []
    for kind in rounds[0]:
        took = sorted(seconds for took in rounds for seconds in took[kind])
        every += took
        say(f"{name}-{kind}-p95", database, len(took), compute_percentile(took, 0.95), "ms")
    say(f"{name}-page-p95", database, PEOPLE, compute_percentile(sorted(every), 0.95), "ms")


def create_sessions(environment: dict[str, str], name: str, n: int) -> list[str]:
    """The session keys of n new people."""
    command = [sys.executable, str(ROOT / "bench/sessions.py"), name, str(n)]
    keys: list[str] = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    return keys


if __name__ == "__main__":
    print(json.dumps(chat(*json.loads(sys.argv[1]))))

"""Annotators with bad connections: forms truncated, sent twice concurrently, or resent with another verdict."""

import contextlib
import random
import threading
import time
from collections import Counter
from typing import Any

from attack.people import Ledger, Person, Worker, build_form
from attack.server import Server

CLUMSY, SECONDS, MOST = 10, 16, 4000
KINDS = ("half", "unheard", "twice", "old")


def cut_connections(server: Server, rng: random.Random) -> int:
    """Ten people judge; each form suffers one of these faults, and is retried until it is answered."""
    sessions = server.make_people("clumsy", CLUMSY)
    ledger, over = Ledger(server.folder / f"{server.database}-clumsy.jsonl"), threading.Event()
    counted: Counter[str] = Counter()
    threads = []
    for number, session in enumerate(sessions):
        own = random.Random(rng.random())
        worker = Worker(Person(server.port, session), "main", f"clumsy {number}", ledger, own, over)
        threads.append(threading.Thread(target=judge_clumsily, args=(server, worker, session, counted)))
    for thread in threads:
        thread.start()
    over.wait(SECONDS)
    over.set()
    for thread in threads:
        thread.join()
    ledger.close()
    server.note(kinds=dict(counted))
    return sum(counted.values())


def judge_clumsily(server: Server, worker: Worker, session: str, counted: Counter[str]) -> None:
    other = Person(server.port, session)
    shown = worker.look()
    for _ in range(MOST // CLUMSY):
        if worker.over.is_set() or shown is None:
            break
        kind, verdict = worker.rng.choice(KINDS), worker.rng.choice(("left", "right"))
        form, before = build_form(shown, verdict), shown
        request = worker.person.request("POST", worker.path, form)
        if kind == "half":
            leave(worker.person, request[: worker.rng.randrange(1, len(request))])
        elif kind == "unheard":
            leave(worker.person, request)
        elif kind == "twice":
            beside = threading.Thread(target=say_again, args=(other, worker.path, form))
            beside.start()
        answer = worker.send_until_answered("verdict", "POST", worker.path, form, shown, verdict)
        if kind == "twice":
            beside.join()
        elif kind == "old":
            contrary = {"left": "right", "right": "left"}[verdict]
            say_again(other, worker.path, form | {"verdict": contrary})
        counted[kind] += 1
        shown = worker.read_next(answer) or worker.look()
        if shown and shown.judgment == before.judgment:
            server.report_finding(f"judgment {shown.judgment} was acknowledged and is asked for again")
            break
        worker.over.wait(worker.rng.uniform(0, 0.1))
    other.close()


def leave(person: Person, data: bytes) -> None:
    """Sends the data and disconnects."""
    with contextlib.suppress(OSError):
        person.send(data)
        if person.socket:
            time.sleep(0.001)
    person.close()


def say_again(person: Person, path: str, form: dict[str, Any]) -> None:
    """Sends a form once, and ignores the outcome."""
    with contextlib.suppress(OSError):
        person.ask("POST", path, form)

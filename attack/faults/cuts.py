"""Annotators with bad connections: forms cut in the middle, sent twice at once, sent again with another verdict."""

import contextlib
import random
import threading
import time
from collections import Counter

from attack.people import Ledger, Person, Worker, build_form

CLUMSY, SECONDS, MOST = 10, 16, 4000
KINDS = ("half", "unheard", "twice", "old")


def cut_connections(server, rng):
    """Ten people judge; each of their forms meets with one of these faults, and is sent again until it is answered."""
    sessions = server.make_people("clumsy", CLUMSY)
    ledger, counted, over = Ledger(server.folder / f"{server.database}-clumsy.jsonl"), Counter(), threading.Event()
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


def judge_clumsily(server, worker, session, counted):
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


def leave(person, data):
    """Send this much and go."""
    with contextlib.suppress(OSError):
        person.send(data)
        if person.socket:
            time.sleep(0.001)
    person.close()


def say_again(person, path, form):
    """Send a form once, whatever comes of it."""
    with contextlib.suppress(OSError):
        person.ask("POST", path, form)

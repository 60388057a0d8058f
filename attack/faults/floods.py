"""Request floods from anonymous clients at many addresses."""

import random
import threading
import time
from collections import Counter

from attack.people import TOKEN, Cut, Person
from attack.server import Server
from attack.wire import draw_address, format_counter

SECONDS, EACH = 10, 3
STATIC = "/static/css/base.css"
NEW_ADDRESS_EVERY = 40  # wrong passwords: fewer than block an address
KINDS = ("home", "sign_in", "passwords", "healthz", "static", "nowhere")


def send_floods(server: Server, rng: random.Random) -> int:
    """Several connections for each kind of page. Each connection counts as a fault."""
    until, guard = time.monotonic() + SECONDS, threading.Lock()
    did: Counter[str] = Counter()
    jobs: list[threading.Thread] = []
    for kind in KINDS:
        for _ in range(EACH):
            jobs.append(threading.Thread(target=flood, args=(server, rng, kind, until, did, guard)))
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    server.note(requests=sum(did.values()), answers=format_counter(did))
    for key, n in did.items():
        if key.endswith(" 500"):
            server.report_finding(f"{n} answers to a flood were 500: {key}")
    return len(jobs)


def flood(
    server: Server, rng: random.Random, kind: str, until: float, did: Counter[str], guard: threading.Lock
) -> None:
    person, n = Person(server.port, "", draw_address(rng)), 0
    while time.monotonic() < until:
        n += 1
        if n % NEW_ADDRESS_EVERY == 0:
            person.close()
            person.source = draw_address(rng)
        status: int | str
        try:
            status = ask(person, kind, rng)
        except Cut:
            status = "cut"
        except OSError as problem:
            status = type(problem).__name__
            time.sleep(0.05)
        with guard:
            did[f"{kind} {status}"] += 1
    person.close()


def ask(person: Person, kind: str, rng: random.Random) -> int:
    """The status of one request of this kind."""
    if kind == "passwords":
        fields = {"csrfmiddlewaretoken": TOKEN, "username": f"crowd{rng.randrange(20)}", "password": f"{rng.random()}"}
        return person.ask("POST", "/accounts/login/", fields, htmx=False).status
    paths = {"home": "/", "sign_in": "/accounts/login/", "healthz": "/healthz", "static": STATIC}
    return person.ask("GET", paths.get(kind) or f"/nowhere/{rng.random()}/", htmx=False).status

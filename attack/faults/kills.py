"""kill -9 for workers, their parent, renderers and background tasks."""

import contextlib
import json
import random
import threading
import time
from collections.abc import Collection
from typing import Any

import psutil

from attack.people import Person
from attack.server import Server
from attack.wire import upload

GONE_WITHIN = 3  # seconds in which workers must stop listening after their parent is killed
WORKERS_AGAIN = 10  # seconds in which a killed worker must be replaced
KILLED_WORKERS, KILLED_WHOLE, KILLED_PARENTS, KILLED_RENDERERS = 10, 4, 3, 100
STORED_ROWS = 6000


def kill_workers(server: Server, rng: random.Random) -> int:
    """Kills one worker at a time; the other goes on, and a new one replaces it."""
    longest = 0.0
    for _ in range(KILLED_WORKERS):
        workers = wait_for_workers(server)
        if not workers:
            break
        began = time.monotonic()
        with server.outage():
            end(rng.choice(workers))
        wait_for_workers(server, but=workers)
        longest = max(longest, time.monotonic() - began)
        time.sleep(rng.uniform(0.2, 0.6))
    server.note(replaced_within_s=round(longest, 2))
    return KILLED_WORKERS


def wait_for_workers(server: Server, but: Collection[psutil.Process] = ()) -> list[psutil.Process]:
    """The workers, once there are two and not the same as `but`; reports a finding on a timeout."""
    until = time.monotonic() + WORKERS_AGAIN
    while time.monotonic() < until:
        workers = server.list_workers()
        if len(workers) >= 2 and (not but or {worker.pid for worker in workers} != {worker.pid for worker in but}):
            return workers
        time.sleep(0.1)
    server.report_finding(f"{len(server.list_workers())} workers {WORKERS_AGAIN} s after a worker was killed")
    return server.list_workers()


def kill_all(server: Server, rng: random.Random) -> int:
    """Kills all workers together."""
    for _ in range(KILLED_WHOLE):
        with server.outage():
            for worker in wait_for_workers(server):
                end(worker)
        wait_for_workers(server)
        time.sleep(rng.uniform(0.3, 1))
    return KILLED_WHOLE


def kill_parent(server: Server, rng: random.Random) -> int:
    """Kills the parent of the workers, which must end soon after; then starts the server again."""
    assert server.process
    longest = 0.0
    for _ in range(KILLED_PARENTS):
        with server.outage():
            server.is_meant_down = True
            began = time.monotonic()
            end(psutil.Process(server.process.pid))
            server.process.wait(5)
            while server.is_listening() and time.monotonic() - began < GONE_WITHIN:
                time.sleep(0.05)
            longest = max(longest, time.monotonic() - began)
            if server.is_listening():
                server.report_finding(f"{GONE_WITHIN} s after its parent was killed a worker goes on serving")
                for worker in server.find_processes("config.serve"):
                    end(worker)
            server.start()
        time.sleep(rng.uniform(0.5, 1.5))
    server.note(nothing_listens_after_s=round(longest, 2))
    return KILLED_PARENTS


def kill_renderers(server: Server, rng: random.Random) -> int:
    """Kills rendering processes while somebody looks at hostile texts."""
    from attack.faults.texts import look_on

    over = threading.Event()
    looked: list[float] = []
    session = server.sessions["hostile"][-1]
    beside = threading.Thread(target=look_on, args=(server, session, rng, over, looked))
    beside.start()
    killed, until = 0, time.monotonic() + 10
    while time.monotonic() < until and killed < KILLED_RENDERERS:
        for process in server.list_renderers():
            if rng.random() < 0.5:
                killed += end(process)
        time.sleep(0.4)
    over.set()
    beside.join()
    server.note(looked_at=len(looked), looked_worst_s=round(max(looked, default=0), 2))
    return killed


def end(process: psutil.Process) -> int:
    """Kill -9; returns 1, or 0 if the process no longer exists."""
    with contextlib.suppress(psutil.Error):
        process.kill()
        return 1
    return 0


def kill_tasks(server: Server, rng: random.Random) -> int:
    """Kills the background worker while it stores an import; the next one resumes. account_tasks checks at the end."""
    killed = 0
    for number in range(3):
        slug = f"killed-{number}"
        run = upload_checked(server, slug)
        if run is None:
            continue
        person = Person(server.port, server.sessions["admin"][0])
        person.ask("POST", f"/datasets/upload/{run}/", {"decision": "store"}, htmx=False)
        person.close()
        if wait_for_rows(server, f"SELECT 1 FROM datasets_import WHERE id = {run} AND stored_upto > 0", 10):
            ended = sum(end(process) for process in server.list_tasks())
            killed += bool(ended)
        server.note(**{slug: read_state(server, run)})
    return killed


def upload_checked(server: Server, slug: str) -> int | None:
    """The id of an import that is checked and waits for a decision; None if that fails."""
    rows = ({"prompt": f"{slug} {n}", "response_1": f"{n} one.", "response_2": f"{n} two."} for n in range(STORED_ROWS))
    content = "".join(json.dumps(row | {"model_1": "a", "model_2": "b"}) + "\n" for row in rows).encode()
    status, _ = upload(server, server.sessions["admin"][0], slug, "rows.jsonl", content)
    query = f"SELECT id FROM datasets_import WHERE slug = '{slug}' AND state = 'checked'"
    found = wait_for_rows(server, query, 15) if status == 302 else None
    if not found:
        server.report_finding(f"the upload of {slug} was not checked: {status}")
    return found[0][0] if found else None


def read_state(server: Server, run: int) -> str:
    return "{} {}".format(*server.run_sql(f"SELECT state, stored_upto FROM datasets_import WHERE id = {run}")[0])


def wait_for_rows(server: Server, query: str, seconds: float) -> list[tuple[Any, ...]] | None:
    """The rows of a query, once it returns any; None after `seconds`."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := server.run_sql(query):
            return found
        time.sleep(0.02)
    return None


def account_tasks(server: Server) -> dict[str, int]:
    """{dataset: stored prompts} of the imports whose worker was killed; reports those that are incomplete."""
    runs = server.run_sql("SELECT slug FROM datasets_import WHERE slug LIKE 'killed-%'")
    if not runs:
        return {}
    with contextlib.suppress(Exception):
        server.manage("work", "--until-idle", timeout=90)
    stored: dict[str, int] = {}
    for (slug,) in runs:
        query = f"""SELECT count(*) FROM datasets_prompt p JOIN datasets_dataset d ON d.id = p.dataset_id
            WHERE d.slug = '{slug}'"""
        stored[slug] = server.run_sql(query)[0][0]
        if stored[slug] != STORED_ROWS:
            server.report_finding(f"{slug}: {stored[slug]} of {STORED_ROWS} rows are stored")
    return stored

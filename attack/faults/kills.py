"""kill -9 of what serves, renders and works in the background."""

import contextlib
import json
import threading
import time

import psutil

from attack.people import Person
from attack.wire import upload

GONE_WITHIN = 3  # seconds, after which nothing listens where the parent is gone
WORKERS_AGAIN = 10
KILLED_WORKERS, KILLED_WHOLE, KILLED_PARENTS, KILLED_RENDERERS = 10, 4, 3, 100
STORED_ROWS = 6000


def kill_workers(server, rng):
    """One worker at a time; the other goes on, and a new one comes."""
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


def wait_for_workers(server, but=()):
    """The workers, once there are two, some of them new ones; a finding where they do not come."""
    until = time.monotonic() + WORKERS_AGAIN
    while time.monotonic() < until:
        workers = server.list_workers()
        if len(workers) >= 2 and (not but or {worker.pid for worker in workers} != {worker.pid for worker in but}):
            return workers
        time.sleep(0.1)
    server.report_finding(f"{len(server.list_workers())} workers {WORKERS_AGAIN} s after a worker was killed")
    return server.list_workers()


def kill_all(server, rng):
    """All workers at once."""
    for _ in range(KILLED_WHOLE):
        with server.outage():
            for worker in wait_for_workers(server):
                end(worker)
        wait_for_workers(server)
        time.sleep(rng.uniform(0.3, 1))
    return KILLED_WHOLE


def kill_parent(server, rng):
    """The process that started the workers: they go too, soon, and then it is started anew."""
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


def kill_renderers(server, rng):
    """The processes that render, while hostile texts are looked at."""
    from attack.faults.texts import look_on

    over, looked = threading.Event(), []
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


def end(process):
    """kill -9; whether there was something to kill."""
    with contextlib.suppress(psutil.Error):
        process.kill()
        return 1
    return 0


def kill_tasks(server, rng):
    """The background worker while it stores an import; the next one goes on. account_tasks looks at the end."""
    killed = 0
    for number in range(3):
        slug = f"killed-{number}"
        run = upload_checked(server, slug)
        if run is None:
            continue
        person = Person(server.port, server.sessions["admin"][0])
        person.ask("POST", f"/datasets/upload/{run}/", {"decision": "store"}, accept="text/html")
        person.close()
        if wait_for_rows(server, f"SELECT 1 FROM datasets_import WHERE id = {run} AND stored_upto > 0", 10):
            ended = sum(end(process) for process in server.list_tasks())
            killed += bool(ended)
        server.note(**{slug: read_state(server, run)})
    return killed


def upload_checked(server, slug):
    """The id of an import that is checked and waits for a decision; None where that fails."""
    rows = ({"prompt": f"{slug} {n}", "response_1": f"{n} one.", "response_2": f"{n} two."} for n in range(STORED_ROWS))
    content = "".join(json.dumps(row | {"model_1": "a", "model_2": "b"}) + "\n" for row in rows).encode()
    status, _ = upload(server, server.sessions["admin"][0], slug, "rows.jsonl", content)
    found = status == 302 and wait_for_rows(
        server, f"SELECT id FROM datasets_import WHERE slug = '{slug}' AND state = 'checked'", 15
    )
    if not found:
        server.report_finding(f"the upload of {slug} was not checked: {status}")
    return found[0][0] if found else None


def read_state(server, run):
    return "{} {}".format(*server.run_sql(f"SELECT state, stored_upto FROM datasets_import WHERE id = {run}")[0])


def wait_for_rows(server, query, seconds):
    """What a question to the database gives once it gives anything; None where it does not."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := server.run_sql(query):
            return found
        time.sleep(0.02)
    return None


def account_tasks(server):
    """See that imports whose worker was killed are stored whole: {dataset: prompts}."""
    runs = server.run_sql("SELECT slug FROM datasets_import WHERE slug LIKE 'killed-%'")
    if not runs:
        return {}
    with contextlib.suppress(Exception):
        server.manage("work", "--until-idle", timeout=90)
    stored = {}
    for (slug,) in runs:
        query = f"""SELECT count(*) FROM datasets_prompt p JOIN datasets_dataset d ON d.id = p.dataset_id
            WHERE d.slug = '{slug}'"""
        stored[slug] = server.run_sql(query)[0][0]
        if stored[slug] != STORED_ROWS:
            server.report_finding(f"{slug}: {stored[slug]} of {STORED_ROWS} rows are stored")
    return stored

"""PostgreSQL: terminated backends, and crash restarts of the whole server."""

import contextlib
import random
import time

from attack.server import NotDone, Server

BACKENDS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
ENDED, RESTARTS = 150, 3


def end_backends(server: Server, rng: random.Random) -> int:
    """pg_terminate_backend on random connections."""
    if not server.postgres:
        raise NotDone("SQLite has no backends")
    ended, until = 0, time.monotonic() + 20
    while ended < ENDED and time.monotonic() < until:
        pids = [pid for (pid,) in server.run_sql(BACKENDS)]
        for pid in rng.sample(pids, min(3, len(pids))):
            ended += bool(server.run_sql(f"SELECT pg_terminate_backend({pid})")[0][0])
        time.sleep(0.15)
    return ended


def restart(server: Server, rng: random.Random) -> int:
    if not server.postgres:
        raise NotDone("SQLite is no server")
    for _ in range(RESTARTS):
        with server.outage(), contextlib.suppress(OSError):
            server.postgres.restart_at_once()
        time.sleep(rng.uniform(2, 3))
    return RESTARTS

"""`python -m config.serve [--host H] [--port N] [--workers N]`: the server, within limits (docs/operating.md).

A worker that dies is replaced, the others go on meanwhile.
"""

import argparse
import os

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings

CONNECTIONS = 10_000  # open at once in each worker
BACKLOG = 4096  # connections that the system keeps for a worker to take
HEADER_SECONDS = 10  # for the lines before the body; so long an idle connection is kept, too
HEADER_BYTES = 64 << 10
WORKER_MIB = 1024  # a worker that holds more is replaced


class NoRespawnTimes(dict):
    """granian ends the whole server where a worker dies twice within 5.5 seconds; we go on."""

    def get(self, key, default=None):
        return float("-inf")


def serve(host, port, workers, log_level="error"):
    """Serve until a signal ends it."""
    server = Granian(
        "config.asgi:application",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=workers,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=HEADER_BYTES),
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_max_rss=WORKER_MIB,
        workers_kill_timeout=20,
        log_level=log_level,
    )
    server.respawned_wrks = NoRespawnTimes()
    os.environ["CHOSEN_SERVER"] = str(os.getpid())  # its workers end with it (config/asgi.py)
    server.serve()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=int(os.environ.get("WORKERS") or 2))
    parser.add_argument("--log-level", default="error")
    serve(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()

"""`python -m config.serve [--host H] [--port N] [--workers N]`: the server, with limits (docs/operating.md).

Replaces workers that die; the others keep running meanwhile. Unless START_WORKERS is 0, a worker for background tasks
runs beside it.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings

from datasets.counters import FOLDER_VARIABLE

if TYPE_CHECKING:
    from granian.log import LogLevels

CONNECTIONS = 10_000  # open at the same time in each worker
BACKLOG = 4096  # connections that the system queues for a worker
HEADER_SECONDS = 10  # for a request's headers to arrive; also closes idle connections
HEADER_BYTES = 64 << 10
WORKER_MIB = 1024  # a worker that uses more memory is replaced


RESPAWN_S = 2  # until a task worker that has ended is started again


class NoRespawnTimes(dict[Any, Any]):
    """Keeps granian from stopping the whole server when a worker dies twice within 5.5 seconds."""

    def get(self, key: Any, default: Any = None) -> float:
        return float("-inf")


def serve(host: str, port: int, workers: int, log_level: str = "error") -> None:
    """Serves until a signal stops it."""
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
        log_level=cast("LogLevels", log_level),  # an enum of strings
    )
    server.respawned_wrks = NoRespawnTimes()
    os.environ["CHOSEN_SERVER"] = str(os.getpid())  # workers exit with this process (config/asgi.py)
    with counter_folder():
        if os.environ.get("START_WORKERS", "1").lower() not in ("0", "false", "no", "off", "n", "f", ""):
            os.environ["CHOSEN_RESIDENT"] = "1"  # no request starts a worker of its own (datasets/jobs/worker.py)
            threading.Thread(target=keep_worker, daemon=True).start()
        server.serve()


@contextlib.contextmanager
def counter_folder() -> Iterator[None]:
    """Gives the processes of this server a folder for their counters; without one, each counts for itself."""
    os.environ.pop(FOLDER_VARIABLE, None)  # that of another server, which started this one
    try:
        folder = tempfile.TemporaryDirectory(prefix="chosen-counters-", ignore_cleanup_errors=True)
    except OSError:
        yield
        return
    with folder as os.environ[FOLDER_VARIABLE]:
        yield


def keep_worker() -> None:
    """Runs a worker for background tasks as long as this process lives."""
    command = [sys.executable, str(Path(__file__).parents[1] / "manage.py"), "work", "--beside", str(os.getpid())]
    while True:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
        time.sleep(RESPAWN_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=int(os.environ.get("WORKERS") or 2))
    parser.add_argument("--log-level", default="error")
    serve(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()

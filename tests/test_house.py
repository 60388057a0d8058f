"""The house stands as DESIGN says: imports run one way, formats are pure, a format is one file."""

import ast
import subprocess
import sys

import pytest
from django.conf import settings

from datasets import formats

# From the lowest floor up: a floor imports from itself and from those below.
FLOORS = ["datasets.formats", "datasets", "annotate.questions", "annotate", "analyze.maths", "analyze", "api", "config"]
PURE = ("datasets.formats", "annotate.questions", "analyze.maths")
MODULES = [
    path
    for folder in ("analyze", "annotate", "api", "config", "datasets")
    for path in sorted((settings.BASE_DIR / folder).rglob("*.py"))
    if "migrations" not in path.parts
]


def name_of(path):
    parts = path.relative_to(settings.BASE_DIR).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module):
    """The floor of one of our modules; None for a library."""
    return max((floor for floor in FLOORS if f"{module}.".startswith(f"{floor}.")), key=len, default=None)


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_import_goes_a_floor_up(path):
    here = FLOORS.index(floor_of(name_of(path)))
    up = [name for name in imports_of(path) if floor_of(name) and FLOORS.index(floor_of(name)) > here]
    assert not up


@pytest.mark.parametrize("path", [p for p in MODULES if name_of(p).startswith(PURE)], ids=name_of)
def test_what_is_pure_knows_no_django(path):
    assert not [name for name in imports_of(path) if name.split(".")[0] == "django"]


def test_formats_load_without_django():
    code = "import sys; from datasets import formats; formats.all_formats(); assert 'django' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=settings.BASE_DIR, check=True)


def test_judging_does_not_pay_for_the_numbers():
    """What the web process loads at its start has no mathematics in it: they are imported where a report is made."""
    code = "import config.wsgi, django.urls; django.urls.get_resolver().url_patterns; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    )
    assert not {"numpy", "scipy", "sklearn"} & set(done.stdout.split())


def test_a_format_is_found_by_being_there(monkeypatch, tmp_path):
    (tmp_path / "new_one.py").write_text("LABEL = 'New'\ndef write(row): ...\n")
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    formats.all_formats.cache_clear()
    try:
        assert "new-one" in formats.writable()
    finally:
        formats.all_formats.cache_clear()
        sys.modules.pop("datasets.formats.new_one", None)


def test_migrations_are_complete(db):
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True)

"""What loads what, and a format is one file. Which way imports run is held by import-linter (pyproject.toml)."""

import subprocess
import sys

from django.conf import settings

from datasets import formats
from lint import diagram


def test_formats_load_without_django():
    code = "import sys; from datasets import formats; formats.load_formats(); assert 'django' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=settings.BASE_DIR, check=True)


def test_judging_does_not_pay_for_the_numbers():
    """The web process loads no numerical libraries at its start: they are imported where a report is computed."""
    code = "import config.wsgi, django.urls; django.urls.get_resolver().url_patterns; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    )
    assert not {"numpy", "scipy", "sklearn"} & set(done.stdout.split())


def test_a_format_is_found_by_being_there(monkeypatch, tmp_path):
    (tmp_path / "new_one.py").write_text("LABEL = 'New'\ndef write(row): ...\n")
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    formats.load_formats.cache_clear()
    try:
        assert "new-one" in formats.get_writable_formats()
    finally:
        formats.load_formats.cache_clear()
        sys.modules.pop("datasets.formats.new_one", None)


def test_migrations_are_complete(db):
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True)


def test_the_diagram_of_states_is_up_to_date():
    text = diagram.CONTRIBUTING.read_text(encoding="utf-8")
    assert diagram.replace_diagram(text) == text, "run: .venv/bin/python -m lint.diagram"

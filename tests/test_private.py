"""Only the owner can read DATA_DIR, including files that an older version left open; nothing else is touched."""

import os
import sqlite3
import stat
import subprocess
import sys

import pytest
from django.conf import settings

from config import private

ROOT = settings.BASE_DIR


def run_python(data_dir, *args, **environment):
    """Runs a command as an operator would, in a shell with a permissive umask."""
    kept = {key: value for key, value in os.environ.items() if key not in ("SECRET_KEY", "DATABASE_URL")}
    environment = {**kept, "DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(data_dir), **environment}
    quiet = {"capture_output": True, "text": True, "umask": 0o022}
    done = subprocess.run([sys.executable, *args], cwd=ROOT, env=environment, **quiet)
    assert done.returncode == 0, done.stderr
    return done.stdout


def get_mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def find_open_files(folder):
    return sorted(str(path.relative_to(folder)) for path in [folder, *folder.rglob("*")] if get_mode(path) & 0o077)


@pytest.fixture
def used(tmp_path):
    """A data folder from an older version, with a file in it that is not ours."""
    folder = tmp_path / "used"
    for path in (folder, folder / "uploads", folder / "spool"):
        path.mkdir()
    base = sqlite3.connect(folder / "chosen.sqlite3")
    base.executescript("PRAGMA journal_mode=WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1);")
    (folder / "spool" / "import-1.sqlite3").write_text("x")
    (folder / "notes.txt").write_text("x")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    yield folder
    base.close()


def test_a_new_data_folder_and_all_that_a_command_writes_there_are_the_owners_alone(tmp_path):
    run_python(tmp_path / "new" / "data", "manage.py", "migrate", "contenttypes", "--verbosity", "0")
    assert (tmp_path / "new" / "data" / "chosen.sqlite3").exists()
    assert find_open_files(tmp_path / "new") == []


def test_the_servers_own_settings_do_the_same(tmp_path):
    run_python(tmp_path / "data", "-c", "import config.wsgi; open(config.wsgi.os.environ['DATA_DIR'] + '/x', 'w')")
    assert find_open_files(tmp_path / "data") == []


def test_a_start_closes_what_an_older_version_left_open(used):
    assert {"chosen.sqlite3", "chosen.sqlite3-wal", "chosen.sqlite3-shm"} <= set(find_open_files(used))
    run_python(used, "-c", "import config.settings")
    assert get_mode(used) == get_mode(used / "uploads") == get_mode(used / "spool") == 0o700
    assert find_open_files(used) == ["notes.txt", "spool/import-1.sqlite3"], (
        "what is none of ours, or lies behind a door"
    )


def test_a_database_elsewhere_is_closed_and_its_folder_is_not(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "base.db").touch()
    elsewhere.chmod(0o755)
    (elsewhere / "base.db").chmod(0o644)
    (elsewhere / "link.db").symlink_to(elsewhere / "base.db")
    run_python(tmp_path / "data", "-c", "import config.settings", DATABASE_URL=f"sqlite:///{elsewhere / 'link.db'}")
    assert (get_mode(elsewhere), get_mode(elsewhere / "base.db")) == (0o755, 0o600)


def test_a_data_folder_may_be_a_link(used, tmp_path):
    (tmp_path / "link").symlink_to(used)
    run_python(tmp_path / "link", "-c", "import config.settings")
    assert get_mode(used) == 0o700


def test_a_link_in_the_data_folder_closes_nothing_outside(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "data"
    outside.mkdir()
    outside.chmod(0o755)
    folder.mkdir()
    (folder / "uploads").symlink_to(outside)
    private.keep_private(folder, ROOT)
    assert get_mode(outside) == 0o755


@pytest.mark.parametrize("kind", ["the program's parent", "a place for everybody"])
def test_a_folder_in_which_others_have_business_stays_open_and_what_is_ours_in_it_does_not(used, kind):
    (used / "program").mkdir()
    (used / "program").chmod(0o755)
    used.chmod(0o1777 if kind == "a place for everybody" else 0o755)
    before = get_mode(used)
    private.keep_private(used, used / "program" if kind == "the program's parent" else ROOT)
    assert (get_mode(used), get_mode(used / "program"), get_mode(used / "chosen.sqlite3")) == (before, 0o755, 0o600)
    assert get_mode(used / "uploads") == 0o700


def test_what_belongs_to_somebody_else_or_cannot_be_changed_stops_no_start(used, monkeypatch):
    monkeypatch.setattr(private.os, "geteuid", lambda: os.getuid() + 1)
    private.keep_private(used, ROOT)
    assert get_mode(used) == 0o777
    monkeypatch.undo()

    def refuse(*args, **options):
        raise PermissionError

    monkeypatch.setattr("pathlib.Path.chmod", refuse)
    private.keep_private(used, ROOT)
    private.keep_database_private(used / "chosen.sqlite3")
    assert get_mode(used) == 0o777

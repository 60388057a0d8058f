"""Commands do what the pages do: settings, deleting, undoing, inviting, deactivating."""

import io
import os
import subprocess
import sys

import pytest
from django.core.management import load_command_class
from django.urls import reverse

from annotate.models import User
from annotate.queue.lease import lease_next
from datasets.models import Comparison, Dataset, Import, Judgment
from tests.conftest import build_rows
from tests.serving import ROOT


def test_settings_are_changed_by_name_and_the_others_stay(pairs, alice, run_command):
    changes = ("--overlap=3", "--allow-tie=no", "--state=paused", "--annotators=alice", "--guideline=**Short**")
    status, said, _ = run_command("set_dataset", "demo", *changes)
    pairs.refresh_from_db()
    assert status == 0
    assert (pairs.overlap, pairs.allow_tie, pairs.allow_both_bad, pairs.state) == (3, False, True, "paused")
    assert (said["overlap"], said["annotators"], said["pairs"]) == (3, ["alice"], "all")
    assert set(Comparison.objects.values_list("wanted", "open_slots")) == {(3, 3)}
    assert run_command("set_dataset", "demo")[1] == said


def test_the_question_is_changed_by_name_as_on_its_page(make_dataset, admin, client, run_command):
    make_dataset(build_rows(3, answers=4)), make_dataset(build_rows(3, answers=4), slug="other")
    criteria, chips = "helpful: follows the request\nhonest", "true\nkind"
    said = {"question": "rank", "most_shown": "3", "reasons": "required", "kept_ready": "9"}
    ticks = ("with_stars", "allow_both_bad", "allow_skip", "allow_flag", "allow_repair", "repair_round", "ask_repairs")
    named = [f"--{name.replace('_', '-')}={value}" for name, value in said.items()]
    named += [f"--{name.replace('_', '-')}=yes" for name in ticks]
    named += ["--allow-tie=no", f"--criteria={criteria}", f"--chips={chips}"]
    status, stands, _ = run_command("set_dataset", "demo", *named)
    client.force_login(admin)
    posted = said | {"criteria": criteria, "chips": chips} | dict.fromkeys(ticks, "on")
    assert client.post(reverse("question", args=["other"]), posted).status_code == 302
    assert status == 0
    assert stands | {"dataset": "other"} == run_command("set_dataset", "other")[1]
    assert (stands["most_shown"], stands["allow_tie"], stands["chips"]) == (3, False, ["true", "kind"])
    assert stands["criteria"] == [
        {"name": "helpful", "guideline": "follows the request"},
        {"name": "honest", "guideline": ""},
    ]
    shown = [len(c.response_ids) for c in Comparison.objects.filter(dataset__slug="demo")]
    assert set(shown) == {3}
    assert shown == [len(c.response_ids) for c in Comparison.objects.filter(dataset__slug="other")]


def test_what_is_not_named_stays_as_it_is(pairs, alice, run_command):
    changed = {"question": "stars", "fewest_shown": 1, "most_shown": 2, "chips": ["a"], "kept_ready": 0, "overlap": 2}
    changed |= {"criteria": [{"name": "x", "guideline": "a: b"}], "allow_skip": False, "reasons": "optional"}
    Dataset.objects.update(**changed)
    pairs.annotators.set([alice])
    assert run_command("set_dataset", "demo", "--name=New")[1]["name"] == "New"
    assert Dataset.objects.values(*changed).get() == changed
    assert list(pairs.annotators.all()) == [alice]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("--overlap=0", "--overlap"),
        ("--question=riddle", "--question"),
        ("--question=best_worst --most-shown=2", "3 to 6 answers"),
        ("--kept-ready=20", "--kept-ready"),
        ("--allow-flag=1", "--allow-flag: yes or no"),
        ("--criteria=:x", "--criteria"),
        ("--state=asleep", "--state"),
        ("--allow-tie=perhaps", "yes or no"),
        ("--annotators=nobody", "nobody"),
    ],
)
def test_a_setting_that_cannot_be_is_told(pairs, run_command, change, told):
    before = run_command("set_dataset", "demo")[1]
    status, _, said = run_command("set_dataset", "demo", "--name=New", *change.split())
    assert status == 2
    assert told in said
    assert run_command("set_dataset", "demo")[1] == before


def test_a_dataset_is_deleted_when_its_name_is_said_twice(pairs, run_command):
    assert run_command("delete_dataset", "demo", "--name=dem")[0] == 2
    assert Dataset.objects.exists()
    assert run_command("delete_dataset", "demo", "--name=demo")[:2] == (0, {"dataset": "demo", "deleted": True})
    assert not Dataset.objects.exists()


def test_an_import_is_undone_by_its_number_unless_somebody_judges_it(pairs, alice, run_command):
    number = Import.objects.get().pk
    lease_next(alice, pairs)
    status, _, said = run_command("undo_import", str(number))
    assert (status, "in progress" in said) == (1, True)
    Judgment.objects.all().delete()
    Comparison.objects.update(open_slots=1)
    assert run_command("undo_import", str(number))[1]["state"] == "undone"
    assert run_command("undo_import", "987")[0] == 2


def test_people_are_invited_shut_out_and_let_in_again(db, client, admin, run_command):
    status, said, _ = run_command("invite_user", "dora")
    assert (status, said["role"]) == (0, "annotator")
    assert client.get(said["link"], follow=True).status_code == 200
    assert run_command("deactivate_user", "dora")[1] == {"user": "dora", "active": False}
    assert not User.objects.get(username="dora").is_active
    assert run_command("deactivate_user", "dora", "--back")[1]["active"]
    assert run_command("deactivate_user", "nobody")[0] == 2
    assert run_command("deactivate_user", "admin")[0] == 1
    assert run_command("invite_user", "two words")[0] == 2


@pytest.mark.parametrize(
    "arguments", [["set_dataset", "demo", "--criteria"], ["export_dataset"], ["log"], ["invite_user"]]
)
def test_an_argument_that_is_no_utf8_is_told(arguments, tmp_path):
    """Checked as the shell passes it, before anything else happens."""
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "SECRET_KEY": "for-tests-only"}
    command = [sys.executable, str(ROOT / "manage.py"), *arguments, b"a\xff"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "This is no UTF-8: 'a\\udcff'\n")


def test_a_password_that_is_no_utf8_is_told(db, run_command, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("\udcff\udcfe"))
    assert run_command("create_user", "eve", "--role", "annotator", "--password-stdin")[0] == 2
    assert not User.objects.exists()


def test_who_reads_has_read_enough(tmp_path):
    """As in `manage.py … | head -1`."""
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "SECRET_KEY": "for-tests-only"}
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, str(ROOT / "manage.py"), "help"]
    done = subprocess.run(command, env=environment, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


COMMANDS = {path.stem: path.parts[-4] for path in ROOT.glob("*/management/commands/*.py") if path.stem != "__init__"}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_prints_its_help(name):
    text = load_command_class(COMMANDS[name], name).create_parser("manage.py", name).format_help()
    assert text.startswith("usage: manage.py")

"""`backup` and `restore`: a consistent snapshot, on both databases, and from either to the other."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from collections import Counter
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection, models
from django.utils import timezone

from annotate.judging.record import record, undo
from annotate.models import User
from annotate.queue.lease import lease_next
from datasets.backup import write as backup_write
from datasets.imports import check as imports_check
from datasets.imports import spool as imports_spool
from datasets.imports import store as imports_store
from datasets.models import Choice, Comparison, Dataset, Import, Judgment, Prompt, Response
from tests.conftest import build_rows, create_person

# Values that COPY, JSON, line splitting or a database might corrupt.
HARD = [
    "\\N",
    "\\.",
    "a\tb",
    "a\r\nb\rc",
    "\u2028\u0085.",
    "“引号”\\\"'",
    "👩\u200d🔬 e\u0301",
    "null",
    "{}",
    " a ",
    "\x01\x7f",
]
FILLED = {
    *("annotate_membership", "annotate_user", "annotate_user_groups", "annotate_user_user_permissions", "auth_group"),
    *("auth_group_permissions", "datasets_choice", "datasets_comparison", "datasets_dataset", "datasets_import"),
    *("datasets_dataset_annotators", "datasets_judgment", "datasets_prompt", "datasets_response", "datasets_rolegiven"),
    *("datasets_rating", "datasets_comparison_barred", "datasets_response_writers"),
}
TAKEN = ("leased", "saved", "reopened")


def judge(user, dataset, turns):
    """A sample of everything that people do; ends with an open lease."""
    for turn in range(turns):
        judgment = lease_next(user, dataset)
        if judgment is None:
            return
        record(judgment, judgment.revision, ("left", "right", "tie", "both_bad", "skip")[turn % 5])
        if turn % 6 == 1:
            undo(judgment, judgment.revision + 1)
    lease_next(user, dataset)


@pytest.fixture
def world(transactional_db, make_dataset, admin, alice, bob):
    """A dataset with rows in every table, difficult texts, NULLs and empty texts."""
    rows = [
        {"prompt": f"{i}{text}", "responses": [{"model": "", "text": text}, {"model": text, "text": f"{i}"}]}
        for i, text in enumerate(HARD)
    ]
    dataset = make_dataset([*build_rows(6), *rows], overlap=2, pairs_limit=3)
    make_dataset([{"instruction": "0\\N", "output": "\\N"}, {"instruction": "x", "output": "y"}])
    dataset.annotators.set([alice, bob])
    judge(alice, dataset, 14)
    judge(bob, dataset, 5)
    starred = make_dataset(build_rows(2), slug="starred", question="stars", ask_repairs=True, allow_flag=True)
    record(lease_next(alice, starred), 0, "rate", {"stars": [5, 3], "repairs": {"new": HARD[3]}})
    record(lease_next(bob, starred), 0, "flag", {"note": HARD[5]}, flag="leak")
    Judgment.objects.filter(state="saved").update(
        decided_at=datetime(2026, 11, 1, 23, 59, 59, 999999, UTC), seconds=0.1
    )
    Judgment.objects.filter(state="skipped").update(decided_at=datetime(2026, 11, 1, tzinfo=UTC), seconds=None)
    Prompt.objects.filter(pk=Prompt.objects.first().pk).update(html={"z": ["<p>é</p>", None, 1.5], "a": {"b": True}})
    Response.objects.filter(pk=Response.objects.first().pk).update(html="")
    Response.objects.filter(pk=Response.objects.last().pk).update(turns=[["assistant", text] for text in HARD])
    Comparison.objects.filter(pk=Comparison.objects.last().pk).update(priority=2**62 - 1, held="gold")
    group = Group.objects.create(name="reviewers")
    group.permissions.set(Permission.objects.all()[:2])
    admin.groups.add(group)
    admin.user_permissions.add(Permission.objects.last())
    return dataset


def list_all_rows():
    """{table: rows as the driver returns them} of every table that a backup includes."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if not table.startswith(("django_session", "django_migrations", "axes_")):
                cursor.execute(f'SELECT * FROM "{table}"')
                found[table] = sorted(cursor.fetchall(), key=repr)
    return found


def read_table(path, label):
    """The rows of a table in a backup, as dicts."""
    with zipfile.ZipFile(path) as archive:
        columns = json.loads(archive.read("manifest.json"))["tables"][label]["columns"]
        lines = archive.read(f"tables/{label}.jsonl").splitlines()
    return [dict(zip(columns, json.loads(line), strict=True)) for line in lines]


def read_manifest(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("manifest.json"))


def test_a_restored_database_holds_every_row_of_every_table(world, tmp_path, run_command):
    before = list_all_rows()
    assert {table for table, rows in before.items() if rows} >= FILLED, "nothing would be shown of an empty table"
    status, summary, _ = run_command("backup", str(tmp_path / "b.zip"))
    assert (status, summary["rows"]) == (0, sum(len(rows) for rows in before.values()))
    call_command("flush", interactive=False)
    assert not Dataset.objects.exists()
    status, summary, _ = run_command("restore", str(tmp_path / "b.zip"))
    assert (status, summary["rows"], summary["database"]) == (0, sum(map(len, before.values())), connection.vendor)
    assert list_all_rows() == before


def test_after_a_restore_work_goes_on(world, tmp_path, alice, make_dataset):
    """New rows get unused ids, and the queue continues where it was."""
    held = lease_next(alice, world)
    call_command("backup", str(tmp_path / "b.zip"))
    call_command("restore", str(tmp_path / "b.zip"), "--replace")
    assert lease_next(alice, world).pk == held.pk
    judge(alice, world, 3)
    assert create_person("dora").pk > alice.pk
    assert make_dataset(build_rows(2), slug="another").prompts.count() == 2


def test_what_was_there_is_replaced_only_when_asked(world, tmp_path, run_command, client, alice):
    before = list_all_rows()
    call_command("backup", str(tmp_path / "b.zip"))
    create_person("late")
    Choice.objects.all().delete()
    client.force_login(alice)
    status, _, said = run_command("restore", str(tmp_path / "b.zip"))
    assert (status, "datasets.judgment" in said, "--replace" in said) == (2, True, True)
    assert User.objects.filter(username="late").exists()
    assert run_command("restore", str(tmp_path / "b.zip"), "--replace")[0] == 0
    assert list_all_rows() == before
    assert not Session.objects.exists()
    assert client.get("/").status_code == 302


ELSEWHERE = """
import sys, django
from django.core.management import call_command
django.setup()
call_command("migrate", verbosity=0)
call_command("restore", sys.argv[1])
call_command("backup", sys.argv[2])
"""


def test_a_backup_moves_to_a_fresh_sqlite_and_back(world, tmp_path, migrated):
    """With TEST_DB=pg: from PostgreSQL to SQLite and back. No row differs in a single byte."""
    before = list_all_rows()
    here, there = tmp_path / "here.zip", tmp_path / "there.zip"
    call_command("backup", str(here))
    environment = {**os.environ, "DATA_DIR": str(tmp_path / "elsewhere"), "DJANGO_SETTINGS_MODULE": "config.settings"}
    environment.pop("DATABASE_URL", None)
    if connection.vendor == "sqlite":  # saves the migrations
        (tmp_path / "elsewhere").mkdir()
        shutil.copy(migrated, tmp_path / "elsewhere/chosen.sqlite3")
    command = [sys.executable, "-c", ELSEWHERE, str(here), str(there)]
    subprocess.run(command, check=True, cwd=settings.BASE_DIR, env=environment, capture_output=True)
    assert read_manifest(there)["database"] == "sqlite"
    assert read_manifest(there)["spools"].keys() == read_manifest(here)["spools"].keys()
    call_command("restore", str(there), "--replace")
    assert list_all_rows() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (models.DateTimeField(), datetime(2026, 11, 1, 12, 0, 0, 1, UTC)),
        (models.DateTimeField(), datetime(2026, 11, 1, tzinfo=UTC)),
        (models.DateField(), date(2026, 2, 28)),
        (models.TimeField(), datetime(2026, 1, 1, 23, 59, 59, 999999).time()),
        (models.DurationField(), timedelta(days=-3, microseconds=7)),
        (models.DecimalField(max_digits=30, decimal_places=10), Decimal("12345678901234567890.0000000001")),
        (models.FloatField(), 0.1 + 0.2),
        (models.BigIntegerField(), 2**63 - 1),
        (models.BooleanField(), False),
        (models.UUIDField(), uuid.UUID(int=7)),
        (models.BinaryField(), b"\x00\xff"),
        (models.GenericIPAddressField(), "2001:db8::1"),
        (models.JSONField(), {"b": [None, True, 2**60, "\u2028"], "a": ""}),
        (models.TextField(), "\x00 \\N é"),
        (models.TextField(), ""),
        (models.TextField(null=True), None),
        (models.ForeignKey(Dataset, models.CASCADE), 2**40),
    ],
    ids=str,
)
def test_every_kind_of_value_comes_back_as_it_was(field, value):
    field.set_attributes_from_name("field")
    stored = json.loads(json.dumps(value, default=backup_write.convert_value))
    back = field.to_python(stored)
    assert (bytes(back) if isinstance(back, memoryview) else back) == value
    assert type(back) is type(value) or isinstance(back, memoryview)


def test_a_backup_while_people_judge_is_of_one_moment(transactional_db, make_dataset, tmp_path, monkeypatch):
    """Judgments saved between the reads of any two tables are not in the file, not even partly."""
    dataset = make_dataset(build_rows(150), overlap=3)
    people = [create_person(f"p{i}") for i in range(4)]
    acts, done, errors = Counter(), threading.Event(), []

    def work(user):
        try:
            turn = 0
            while not done.is_set() and (judgment := lease_next(user, dataset)):
                record(judgment, judgment.revision, ("left", "right", "tie", "both_bad", "skip")[turn % 5])
                if turn % 7 == 0:
                    undo(judgment, judgment.revision + 1)
                turn += 1
                acts[user.pk] += 1
        except BaseException as error:  # the test reports the error
            errors.append(error)
            raise
        finally:
            connection.close()

    def write_after_more_judgments(archive, model, write=backup_write.write_table):
        seen, patience = acts.total(), time.monotonic() + 5
        while acts.total() < seen + 4 and time.monotonic() < patience:
            time.sleep(0.002)
        return write(archive, model)

    monkeypatch.setattr(backup_write, "write_table", write_after_more_judgments)
    threads = [threading.Thread(target=work, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    backup_write.write_backup(tmp_path / "b.zip")
    done.set()
    for thread in threads:
        thread.join()
    assert not errors
    judgments = {row["id"]: row for row in read_table(tmp_path / "b.zip", "datasets.judgment")}
    assert Judgment.objects.count() >= len(judgments) + 40, "nobody judged during the backup"
    stated = Counter(row["judgment_id"] for row in read_table(tmp_path / "b.zip", "datasets.choice"))
    with_choice = [pk for pk, row in judgments.items() if row["verdict"] in ("left", "right", "tie")]
    assert stated == Counter(with_choice)
    slots = {row["id"]: row["wanted"] for row in read_table(tmp_path / "b.zip", "datasets.comparison")}
    kept = {row["id"]: row["open_slots"] for row in read_table(tmp_path / "b.zip", "datasets.comparison")}
    slots = Counter(slots)
    slots.subtract(
        row["comparison_id"] for row in judgments.values() if row["state"] in ("leased", "saved", "reopened")
    )
    assert dict(slots) == kept
    call_command("restore", str(tmp_path / "b.zip"), "--replace")
    assert Judgment.objects.count() == len(judgments)


@pytest.fixture
def unfinished(transactional_db, make_dataset, tmp_path):
    """A half-stored import of a killed process, with its spool."""
    dataset = make_dataset(build_rows(1))
    path = tmp_path / "more.jsonl"
    path.write_text('{"prompt": "half", "chosen": "a", "rejected": "b"}\nnonsense\n')
    with open(path, "rb") as file:
        run = imports_check.check([(path.name, file)], "demo")
    Import.objects.filter(pk=run.pk).update(
        dataset=dataset, state="storing", touched_at=timezone.now() - timedelta(hours=1)
    )
    return Import.objects.get(pk=run.pk)


def test_an_unfinished_import_is_finished_where_the_backup_is_restored(unfinished, tmp_path, settings, run_command):
    status, summary, _ = run_command("backup", str(tmp_path / "b.zip"))
    assert (status, summary["spools"]) == (0, 1)
    settings.DATA_DIR = tmp_path / "elsewhere"
    settings.DATA_DIR.mkdir()
    (settings.DATA_DIR / "spool").mkdir()
    (settings.DATA_DIR / "spool" / "import-987.sqlite3").write_text("of what is replaced")
    call_command("restore", str(tmp_path / "b.zip"), "--replace")
    assert [path.name for path in (settings.DATA_DIR / "spool").iterdir()] == [f"import-{unfinished.pk}.sqlite3"]
    assert imports_store.resume_unfinished() == (1, 0)
    assert Prompt.objects.visible().filter(instruction="half").count() == 1


def test_an_import_that_ends_during_the_backup_is_in_it_as_it_began(unfinished, tmp_path, monkeypatch):
    def write_after_its_end(archive, model, write=backup_write.write_table):
        if model is Import:  # about the third table: the snapshot has begun
            finish = threading.Thread(target=lambda: (imports_store.store_rows(unfinished), connection.close()))
            finish.start()
            finish.join()
            imports_spool.get_spool_path(unfinished).unlink(missing_ok=True)
        return write(archive, model)

    monkeypatch.setattr(backup_write, "write_table", write_after_its_end)
    backup_write.write_backup(tmp_path / "b.zip")
    assert Import.objects.get(pk=unfinished.pk).state == "done"
    assert [row["state"] for row in read_table(tmp_path / "b.zip", "datasets.import")] == ["done", "storing"]
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        archive.extract(f"spools/import-{unfinished.pk}.sqlite3", tmp_path)
    with closing(sqlite3.connect(tmp_path / f"spools/import-{unfinished.pk}.sqlite3")) as spool:
        assert spool.execute("SELECT count(*) FROM rows").fetchone() == (1,)


def test_every_table_is_in_a_backup_or_left_out_on_purpose(db):
    models = [*backup_write.get_models(), *backup_write.get_models(left_out=True)]
    with connection.cursor() as cursor:
        there = set(connection.introspection.table_names(cursor))
    assert there - {model._meta.db_table for model in models} == {"django_migrations"}
    assert {model._meta.app_label for model in backup_write.get_models(left_out=True)} == {"sessions", "axes"}


def test_the_key_that_signs_sessions_is_not_in_it_and_only_its_owner_can_read_it(transactional_db, pairs, tmp_path):
    backup_write.write_backup(tmp_path / "b.zip")
    assert (tmp_path / "b.zip").stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert not any(settings.SECRET_KEY.encode() in archive.read(name) for name in archive.namelist())


def test_a_backup_that_fails_leaves_the_last_one_and_nothing_else(transactional_db, pairs, tmp_path, monkeypatch):
    (tmp_path / "kept").mkdir()
    backup_write.write_backup(tmp_path / "kept/b.zip")
    before = (tmp_path / "kept/b.zip").read_bytes()
    monkeypatch.setattr(backup_write, "write_spool", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        backup_write.write_backup(tmp_path / "kept/b.zip")
    assert {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()} == {"b.zip": before}
    assert connection.in_atomic_block is False
    assert Dataset.objects.exists()


KILLED = """
import os, sys
import django
django.setup()
from datasets.backup import write as backup
backup.read_schema = lambda: {}
def copy_spools(early):
    open(os.path.join(early, "import-1.sqlite3"), "w").close()
    print("at work", flush=True)
    sys.stdin.readline()
backup.copy_spools = copy_spools
backup.write_backup(sys.argv[1])
"""


def test_what_a_killed_backup_left_goes_with_the_next_one_and_nothing_else_does(transactional_db, pairs, tmp_path):
    place = tmp_path / "backups"
    place.mkdir()
    kept = [place / ".hidden.zip", place / ".yesterday.zip.1234", place / "other.chosen-backup"]
    for path in kept:
        path.write_text("x")
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    killed, alive = (
        subprocess.Popen(
            [sys.executable, "-c", KILLED, str(place / name)],
            **{"cwd": settings.BASE_DIR, "env": environment, "text": True},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in ("monday.zip", "tuesday.zip")
    )
    try:
        assert [each.stdout.readline() for each in (killed, alive)] == ["at work\n"] * 2
        assert len(list(place.glob(".*.chosen-backup"))) == len(list(place.glob(".*.chosen-backup.d"))) == 2
        killed.kill()
        killed.wait()
        backup_write.write_backup(place / "wednesday.zip")
        left = {path.name.split(".zip")[0] for path in place.iterdir() if path not in kept}
        assert left == {".tuesday", "wednesday"}, "of Tuesday's a process is at work"
    finally:
        for each in (killed, alive):
            each.kill()
            each.wait()
            each.stdin.close()
            each.stdout.close()
    backup_write.write_backup(place / "wednesday.zip")
    assert sorted(place.iterdir()) == sorted([*kept, place / "wednesday.zip"])


def test_without_locks_what_a_killed_backup_left_goes_after_a_day(transactional_db, pairs, tmp_path, monkeypatch):
    def refuse_lock(*args):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.flock", refuse_lock)
    old, new = tmp_path / ".old.zip.abc.chosen-backup", tmp_path / ".new.zip.abc.chosen-backup"
    for path in (old, new):
        path.write_text("x")
    long_ago = time.time() - 25 * 60 * 60
    os.utime(old, (long_ago, long_ago))
    backup_write.write_backup(tmp_path / "b.zip")
    assert (old.exists(), new.exists(), (tmp_path / "b.zip").exists()) == (False, True, True)


@pytest.mark.parametrize("name", ["none/b.zip", "."])
@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_file_that_cannot_be_opened_is_named(db, tmp_path, run_command, command, name):
    status, _, said = run_command(command, str(tmp_path / name))
    assert (status, str(tmp_path) in said) == (2, True)


def rewrite_backup(path, change):
    """A copy of a backup with its members {name: content} passed through `change`."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def change_manifest(**facts):
    """Changes the manifest."""
    return lambda members: members.update(
        {"manifest.json": json.dumps({**json.loads(members["manifest.json"]), **facts}).encode()}
    )


def change_rows(label, change):
    """Changes the lines of a table, and the manifest to match."""

    def rewrite(members):
        members[f"tables/{label}.jsonl"] = change(members[f"tables/{label}.jsonl"])

    return rewrite


CHOICES = "datasets.choice"


REFUSED = [
    (lambda members: members.pop("manifest.json"), "damaged"),
    (lambda members: members.update({"manifest.json": b"[]"}), "damaged"),
    (change_manifest(kind="else"), "no backup of Chosen that this version reads"),
    (change_manifest(layout=2), "no backup of Chosen that this version reads"),
    (change_manifest(schema={"datasets": ["0001_initial", "0099_later"]}, version="9.9"), "Chosen 9.9"),
    (change_manifest(schema={"datasets": ["0001_initial", "0099_later"]}), "datasets.0099_later"),
    (change_manifest(tables={}), "another schema"),
    (change_manifest(spools={"../../escaped": "0"}), "damaged"),
    (change_manifest(spools={"import-1.sqlite3": "0"}), "damaged"),
    (lambda members: members.pop(f"tables/{CHOICES}.jsonl"), "damaged"),
    (change_rows(CHOICES, lambda lines: b""), "damaged"),
    (change_rows(CHOICES, lambda lines: lines[:-9]), "damaged"),
    (change_rows(CHOICES, lambda lines: lines.replace(b"[", b"[9,", 1)), "damaged"),
    (change_rows(CHOICES, lambda lines: lines + lines), "does not take the rows of datasets.choice"),
    (change_rows("datasets.response", lambda lines: lines + lines.splitlines(True)[0]), "does not take the rows of"),
    (change_rows("datasets.judgment", lambda lines: b"".join(lines.splitlines(True)[1:])), "damaged"),
    (change_rows("datasets.dataset", lambda lines: lines.replace(b'"open"', b"null")), "does not take the rows of"),
    (None, "damaged"),  # truncated
]


def test_what_is_not_whole_or_not_of_this_schema_changes_nothing(world, tmp_path, run_command):
    backup_write.write_backup(tmp_path / "whole.zip")
    whole = (tmp_path / "whole.zip").read_bytes()
    before = list_all_rows()
    texts = Response.objects.exclude(text__in=HARD).values_list("text", flat=True)
    for change, said in REFUSED:
        (tmp_path / "b.zip").write_bytes(whole if change else whole[:-5000])
        if change:
            rewrite_backup(tmp_path / "b.zip", change)
        status, _, words = run_command("restore", str(tmp_path / "b.zip"), "--replace")
        assert (status, said in words) == (2, True), words
        assert not any(text in words for text in texts if len(text) > 3), "it quotes an answer"
        assert list_all_rows() == before
    assert not (tmp_path / "escaped").exists()


def test_an_archive_of_another_kind_is_no_backup(pairs, run_command, tmp_path):
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as archive:
        archive.writestr("manifest.json", "{}")
    status, _, told = run_command("restore", str(tmp_path / "bundle.zip"), "--replace")
    assert (status, "no backup of Chosen" in told) == (2, True)

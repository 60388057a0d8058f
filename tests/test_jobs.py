"""Background tasks: run once, stopped on request, resumed after a killed worker."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection, connections
from django.db.models import F
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from datasets.imports import tasks
from datasets.imports.spool import Spool
from datasets.jobs import worker as job_worker
from datasets.jobs.worker import JobCancellation, JobFailure, claim, perform, start, work_until_idle
from datasets.models import Comparison, Dataset, Import, Job, Prompt
from tests.conftest import build_rows
from tests.serving import ROOT, manage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(job_worker, "IDLE", 0)
    monkeypatch.setattr(job_worker, "HEARTBEAT", 0.05)


@pytest.fixture
def does(monkeypatch):
    """does(function): the function of tasks of the kind `trial`."""
    return lambda function: monkeypatch.setitem(job_worker.KINDS, "trial", function)


def build_upload(rows, name="rows.jsonl"):
    return SimpleUploadedFile(name, "".join(json.dumps(row) + "\n" for row in rows).encode())


def die(*args, **values):
    """Ends the process, as a kill would, before its next step."""
    raise SystemExit


def refresh(job):
    job.refresh_from_db()
    return job


def test_a_worker_does_what_waits_in_order_and_notes_what_came_of_it(does):
    done = []
    does(lambda job, progress: done.append(job.arguments["n"]) or {"n": job.arguments["n"]})
    waiting = [start("trial", n=n) for n in range(3)]
    assert [job.state for job in waiting] == ["waiting"] * 3
    assert work_until_idle() == 3
    assert done == [0, 1, 2]
    assert [refresh(job).state for job in waiting] == ["done"] * 3
    assert waiting[2].result == {"n": 2}


def test_what_takes_a_moment_is_done_at_once(does):
    does(lambda job, progress: {"n": 1})
    assert start("trial", at_once=True).state == "done"


def test_what_was_begun_at_once_in_a_process_that_is_gone_is_taken_up_later(does):
    does(die)
    with pytest.raises(SystemExit):
        start("trial", at_once=True)
    does(lambda job, progress: {"again": True})
    assert claim() is None, "it may still be at work"
    Job.objects.update(beat_at=F("beat_at") - timedelta(hours=1))
    assert work_until_idle() == 1
    assert Job.objects.get().result == {"again": True}


def test_progress_is_seen_while_it_is_made_also_from_within_a_transaction(does):
    seen, gate = [], threading.Event()

    def work_slowly(job, progress):
        progress(3, 10)
        gate.wait(5)

    does(work_slowly)
    job = start("trial")
    worker = threading.Thread(target=lambda: (work_until_idle(), connection.close()))
    worker.start()
    for _ in range(100):
        seen = Job.objects.get(pk=job.pk)
        if seen.done:
            break
        time.sleep(0.05)
    gate.set()
    worker.join()
    assert (seen.done, seen.total, seen.state) == (3, 10, "running")
    assert seen.share == 0.3
    assert refresh(job).state == "done"


def test_one_task_goes_to_one_worker(does):
    times = []
    does(lambda job, progress: times.append(job.pk))
    for _ in range(12):
        start("trial")
    workers = [threading.Thread(target=lambda: (work_until_idle(), connection.close())) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(times) == len(set(times)) == 12


@pytest.mark.parametrize(
    ("error", "state", "said"),
    [
        (JobFailure("no such file"), "failed", "no such file"),
        (ValueError("x"), "failed", "unexpected"),
        (JobCancellation(), "cancelled", ""),
    ],
)
def test_what_goes_wrong_is_noted(does, error, state, said, caplog):
    def fail(job, progress):
        raise error

    does(fail)
    job = start("trial")
    work_until_idle()
    assert (refresh(job).state, job.error) == (state, said)
    assert job.finished_at


def test_one_that_waits_is_stopped_before_it_begins(does):
    does(lambda job, progress: pytest.fail("begun"))
    job = start("trial")
    job_worker.cancel(job)
    assert work_until_idle() == 0
    assert refresh(job).state == "cancelled"


def test_one_at_work_stops_soon(does):
    def run_endlessly(job, progress):
        for n in range(1000):
            progress(n, 1000)
            if n == 2:
                job_worker.cancel(job)
            time.sleep(0.01)

    does(run_endlessly)
    job = start("trial")
    work_until_idle()
    assert refresh(job).state == "cancelled"


def test_one_whose_worker_is_gone_is_taken_up_and_given_up_in_the_end(does):
    does(lambda job, progress: {})
    job = start("trial")
    for attempt in range(1, job_worker.MOST_ATTEMPTS + 1):
        assert claim().attempts == attempt
        assert claim() is None, "its worker was alive just now"
        Job.objects.update(beat_at=timezone.now() - timedelta(minutes=1))
        assert job_worker.is_abandoned(refresh(job))
    claim()
    assert (refresh(job).state, job.error) == ("failed", "gave_up")


def test_a_worker_that_was_only_slow_changes_nothing_any_more(does):
    does(lambda job, progress: {"late": True})
    start("trial")
    slow = claim()
    Job.objects.update(beat_at=timezone.now() - timedelta(minutes=1))
    other = claim()
    perform(slow, job_worker.Progress(slow))
    assert refresh(other).state == "running"
    perform(other, job_worker.Progress(other))
    assert refresh(other).state == "done"


def test_what_is_told_of_a_task_after_its_end_changes_nothing(does):
    does(lambda job, progress: progress(5, 6))
    start("trial")
    job = claim()
    progress = job_worker.Progress(job)
    progress(4, 6)
    progress.write()
    perform(job, progress)
    progress.write()  # as the late heartbeat thread does
    job = refresh(job)
    assert (job.state, job.done, job.total) == ("done", 6, 6)


def test_a_worker_that_was_started_for_a_task_ends_where_the_database_stays_away(monkeypatch, caplog):
    def refuse_connection():
        raise OperationalError("connection refused")

    monkeypatch.setattr(job_worker, "PATIENCE", 0)
    monkeypatch.setattr(job_worker, "claim", refuse_connection)
    assert work_until_idle() == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "did not come back" in caplog.text


# --- kinds of tasks ---------------------------------------------------------------------------------------------------


@pytest.fixture
def large(monkeypatch):
    """No upload counts as small."""
    for name in ("BYTES_AT_ONCE", "ROWS_AT_ONCE", "PROMPTS_AT_ONCE"):
        monkeypatch.setattr(tasks, name, 0)


@pytest.mark.usefixtures("large")
def test_an_upload_is_checked_and_stored_in_the_background(client, admin, settings):
    client.force_login(admin)
    answer = client.post("/datasets/upload/", {"slug": "big", "files": build_upload(build_rows(20)), "overlap": 2})
    job = Job.objects.get()
    assert answer["Location"] == f"/datasets/upload/tasks/{job.pk}/"
    page = client.get(answer["Location"]).content.decode()
    assert "rows.jsonl" in page
    assert "Queued" in page
    work_until_idle()
    run = Import.objects.get()
    assert client.get(answer["Location"])["Location"] == f"/datasets/upload/{run.pk}/"
    assert (run.rows, run.dataset_settings["overlap"], run.created_by) == (20, 2, admin)
    assert list((settings.DATA_DIR / "uploads").iterdir()), "somebody may yet map the columns"
    client.post(f"/datasets/upload/{run.pk}/", {"decision": "store"})
    assert Prompt.objects.count() == 0
    work_until_idle()
    assert not list((settings.DATA_DIR / "uploads").iterdir()), "the files are gone"
    assert Dataset.objects.get(slug="big").prompts.count() == 20
    assert client.get(f"/datasets/upload/tasks/{Job.objects.latest('pk').pk}/")["Location"] == "/datasets/big/"


@pytest.mark.usefixtures("large")
def test_a_file_that_cannot_be_read_is_said_in_the_language_of_who_asked(client, admin):
    client.force_login(admin)
    admin.language, odd = "zh-hans", SimpleUploadedFile("a.bin", b"\x00\x01\x02" * 99)
    admin.save()
    client.post("/datasets/upload/", {"slug": "big", "files": odd, "overlap": 1})
    work_until_idle()
    page = client.get(f"/datasets/upload/tasks/{Job.objects.get().pk}/").content.decode()
    assert "a.bin" in page
    assert "文件" in Job.objects.get().error


def test_files_of_a_task_that_never_began_are_swept_up_after_a_day(client, admin, settings):
    client.force_login(admin)
    settings.DATA_DIR.joinpath("uploads").mkdir()
    folders = []
    for name in ("stopped", "waiting", "young"):
        files = [SimpleUploadedFile(name, b"x" * (tasks.BYTES_AT_ONCE + 1))]
        job = tasks.start_check(admin, *tasks.keep_files(files), "big", {"overlap": 2})
        folders.append(settings.DATA_DIR / "uploads" / job.arguments["folder"])
        if name != "waiting":
            job_worker.cancel(job)
        if name != "young":
            os.utime(folders[-1], (0, 0))
    left = settings.DATA_DIR / "uploads" / "body-of-a-killed-request"
    left.touch()
    os.utime(left, (0, 0))
    tasks.sweep()
    assert [path.exists() for path in (*folders, left)] == [False, True, True, False]


def test_a_small_upload_is_checked_and_stored_without_a_task(client, admin):
    client.force_login(admin)
    answer = client.post("/datasets/upload/", {"slug": "small", "files": build_upload(build_rows(3)), "overlap": 2})
    run = Import.objects.get()
    assert answer["Location"] == f"/datasets/upload/{run.pk}/"
    assert (run.rows, run.dataset_settings["overlap"], run.created_by) == (3, 2, admin)
    assert client.post(answer["Location"], {"decision": "store"})["Location"] == "/datasets/small/"
    assert (Prompt.objects.count(), Job.objects.count()) == (3, 0)


def test_a_small_upload_killed_while_it_is_checked_leaves_nothing(client, admin, monkeypatch, settings):
    client.force_login(admin)
    monkeypatch.setattr(Spool, "finish", die)
    monkeypatch.setattr(Spool, "delete", lambda self: None)  # a killed process deletes nothing
    with pytest.raises(SystemExit):
        client.post("/datasets/upload/", {"slug": "small", "files": build_upload(build_rows(3)), "overlap": 1})
    left = [*(settings.DATA_DIR / "uploads").iterdir(), *(settings.DATA_DIR / "spool").iterdir()]
    assert len(left) == 2
    tasks.sweep()
    assert all(path.exists() for path in left), "somebody may be at it"
    for path in left:
        os.utime(path, (0, 0))
    tasks.sweep()
    assert not any(path.exists() for path in left)
    assert not Import.objects.exists()


@pytest.mark.parametrize("step", ["store_batch", "give_roles", "generate_comparisons"])
def test_a_small_import_killed_while_it_is_stored_is_finished_by_whoever_looks(client, admin, monkeypatch, step):
    client.force_login(admin)
    client.post("/datasets/upload/", {"slug": "small", "files": build_upload(build_rows(3)), "overlap": 1})
    page = f"/datasets/upload/{Import.objects.get().pk}/"
    with monkeypatch.context() as killed:
        killed.setattr(tasks.imports_store, step, die)
        with pytest.raises(SystemExit):
            client.post(page, {"decision": "store"})
    assert Import.objects.get().state in Import.UNFINISHED
    assert client.get(page).status_code == 200, "somebody may be at it"
    Import.objects.update(touched_at=timezone.now() - timedelta(hours=1))
    place = client.get(page)["Location"]
    assert client.get(page)["Location"] == place, "one task, however many look"
    assert work_until_idle() == 1
    assert Import.objects.get().state == "done"
    assert Dataset.objects.get(slug="small").comparisons.count() == 3


def stop_in_the_middle(monkeypatch):
    """Requests every task to stop while the second batch is stored."""
    batches = []
    real = tasks.imports_store.store_batch

    def store_batch(*args):
        batches.append(args)
        real(*args)
        if len(batches) == 2:
            Job.objects.update(cancel=True)
            time.sleep(0.5)

    monkeypatch.setattr(tasks.imports_store, "store_batch", store_batch)


@pytest.mark.usefixtures("large")
def test_an_import_that_is_stopped_leaves_nothing(client, admin, monkeypatch):
    monkeypatch.setattr(tasks.imports_store, "BATCH", 5)
    client.force_login(admin)
    client.post("/datasets/upload/", {"slug": "big", "files": build_upload(build_rows(30)), "overlap": 1})
    work_until_idle()
    run = Import.objects.get()
    client.post(f"/datasets/upload/{run.pk}/", {"decision": "store"})
    stop_in_the_middle(monkeypatch)
    work_until_idle()
    assert Job.objects.latest("pk").state == "cancelled"
    assert (Prompt.objects.count(), Import.objects.count()) == (0, 0)
    page = client.get(f"/datasets/upload/tasks/{Job.objects.latest('pk').pk}/").content.decode()
    assert "Nothing of it was kept" in page


def test_what_is_being_stored_by_one_is_not_stored_by_another_too(admin, monkeypatch, tmp_path):
    """The second of two clicks begins while the first is running: it waits, and finds everything done."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(build_upload(build_rows(30)).read())
    with path.open("rb") as file:
        run = tasks.imports_check.check([(path.name, file)], "big")
    monkeypatch.setattr(tasks.imports_store, "BATCH", 5)
    begun, stored_by = threading.Event(), []
    real = tasks.imports_store.store_rows

    def store_rows(run, progress, hurry):
        stored_by.append(threading.get_ident())
        begun.set()
        time.sleep(0.3)
        real(run, progress, hurry)

    monkeypatch.setattr(tasks.imports_store, "store_rows", store_rows)

    def store_first():
        try:
            tasks.store_now(run)
        finally:
            connection.close()

    thread = threading.Thread(target=store_first)
    thread.start()
    assert begun.wait(20)
    tasks.store_now(Import.objects.get(pk=run.pk))
    thread.join()
    assert stored_by == [thread.ident]
    run.refresh_from_db()
    assert (run.state, run.prompts) == ("done", 30)


@pytest.mark.usefixtures("large")
def test_a_bundle_is_made_in_the_background(client, admin, make_dataset):
    make_dataset(build_rows(3))
    client.force_login(admin)
    answer = client.post("/datasets/demo/bundles/", {"dialects": ["dpo"], "split": "100,0,0"})
    work_until_idle()
    assert client.get(answer["Location"])["Location"] == "/datasets/demo/bundles/1/"


def test_the_page_of_a_task_follows_it(client, admin, does):
    client.force_login(admin)
    started = timezone.now() - timedelta(minutes=1)
    job = Job.objects.create(kind="store", state="running", done=25, total=100, started_at=started)
    Job.objects.update(beat_at=timezone.now())
    address = f"/datasets/upload/tasks/{job.pk}/"
    page = client.get(address).content.decode()
    assert "25%" in page
    assert "about 3 minutes left" in page
    assert "<main" not in client.get(address, headers={"HX-Request": "true"}).content.decode()
    client.post(address)
    assert refresh(job).cancel
    assert "Stopping" in client.get(address).content.decode()
    Job.objects.update(state="failed", error="gave_up")
    assert client.get(address, headers={"HX-Request": "true"})["HX-Redirect"] == address
    assert "Three workers" in client.get(address).content.decode()
    assert "Storing rows" in client.get("/datasets/upload/tasks/").content.decode()


def test_a_task_that_an_older_version_queued_still_has_somebody_who_does_it():
    """The names of tasks are in the database, so they must survive refactoring."""
    autodiscover_modules("tasks")
    assert {"analysis", "bundle", "check", "push", "review", "rows", "store"} <= set(job_worker.KINDS)
    assert job_worker.KINDS["check"].__module__ == "datasets.imports.tasks"


@contextlib.contextmanager
def open_database(place):
    """Opens the database of a separate server as "place"; gives its connection."""
    connections["place"] = other = connection.copy(alias="place")
    other.settings_dict["NAME"] = place["DATABASE"]
    try:
        yield other
    finally:
        other.close()
        del connections["place"]


@pytest.mark.long
def test_a_killed_worker_leaves_an_import_that_the_next_one_finishes(place, tmp_path):
    """A real worker, killed with -9 while storing; another resumes the task."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in build_rows(1000)))
    slow = (
        "import time; import django; django.setup()\n"
        "from datasets import tasks\n"
        "from datasets.imports import check, store as imports\n"
        "from datasets.jobs import worker as jobs\n"
        f"run = check.check([('rows.jsonl', open({str(path)!r}, 'rb'))], 'big')\n"
        "jobs.start('store', **{'import': run.pk})\n"
        "real, imports.BATCH, batches = imports.store_batch, 200, iter([0, 0, 600])\n"
        "imports.store_batch = lambda *args: (time.sleep(next(batches)), real(*args))\n"
        "from datasets.jobs import lanes; lanes.work()\n"
    )
    environment = {**place, "DJANGO_SETTINGS_MODULE": "config.settings", "START_WORKERS": "0"}
    worker = subprocess.Popen([sys.executable, "-c", slow], env=environment, cwd=ROOT, start_new_session=True)
    with open_database(place):
        prompts, jobs = (model.objects.db_manager("place") for model in (Prompt, Job))
        try:
            until = time.monotonic() + 100
            while not 0 < prompts.count() < 1000:
                assert time.monotonic() < until, "never seen in the middle"
                assert worker.poll() is None
                time.sleep(0.05)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        assert (jobs.get().state, prompts.visible().count()) == ("running", 0)
        jobs.update(beat_at=timezone.now() - timedelta(days=1))
        assert manage(environment, "work", "--until-idle") == {"done": 1}
        assert (jobs.get().state, prompts.visible().count()) == ("done", 1000)
        assert Comparison.objects.using("place").count() == 1000


@pytest.mark.long
def test_a_short_task_does_not_wait_for_a_long_one_nor_sixteen_for_each_other(place):
    """One worker process: a task of the lane bulk holds its only place, tasks of the lane chat run beside it."""
    script = (
        "import time; import django; django.setup()\n"
        "from datasets.jobs import worker as jobs\n"
        "from datasets.models import Job\n"
        "jobs.kind('long')(lambda job, progress: time.sleep(60))\n"
        "jobs.kind('short', lane='chat')(lambda job, progress: time.sleep(2))\n"
        "from datasets.jobs import lanes\n"
        "lanes.repeat_every(3600)(lambda: jobs.start('chore'))\n"
        "for kind in ['long', 'long', *['short'] * 16]: jobs.start(kind)\n"
        "import threading; threading.Thread(target=lanes.work, daemon=True).start()\n"
        "while Job.objects.filter(kind='short', state='done').count() < 16: time.sleep(0.1)\n"
        "states = Job.objects.order_by('pk').values_list('kind', 'state')\n"
        "print([state for kind, state in states if kind == 'long'], [kind for kind, _ in states].count('chore'))\n"
        "import sys, os; sys.stdout.flush(); os._exit(0)\n"
    )
    environment = {**place, "DJANGO_SETTINGS_MODULE": "config.settings", "START_WORKERS": "0"}
    begun = time.monotonic()
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "['running', 'waiting'] 1", done.stderr
    assert time.monotonic() - begun < 32  # sixteen times two seconds


def test_a_worker_of_one_lane_leaves_the_others(does, monkeypatch):
    does(lambda job, progress: None)
    monkeypatch.setitem(job_worker.KINDS, "quick", lambda job, progress: None)
    monkeypatch.setitem(job_worker.LANE_OF, "quick", "chat")
    bulk, quick = start("trial"), start("quick")
    assert claim(["generate"]) is None
    assert claim() == quick  # the lane of chats goes first
    assert claim(["chat"]) is None
    assert claim(["bulk"]) == bulk

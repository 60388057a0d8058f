"""Tasks: check an upload, and store what was checked."""

import contextlib
import shutil
import time
import uuid
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from datasets import reasons
from datasets.files.item import FileProblem
from datasets.imports import store as imports_store
from datasets.imports.columns import Unsure
from datasets.imports.spool import get_spool_folder
from datasets.jobs import worker
from datasets.jobs.limits import BYTES_AT_ONCE, PROMPTS_AT_ONCE, ROWS_AT_ONCE
from datasets.jobs.worker import JobCancellation, JobFailure, kind
from datasets.models import Import, Job, Prompt

ABANDONED_AFTER_S = 24 * 60 * 60
LONGEST_REST_S = 0.2  # seconds
REST_FACTOR = {"postgresql": 3, "sqlite": 1}[connection.vendor]  # times as long as it worked


def keep_files(files):
    """(folder, [name]) of uploaded files, kept until they are checked."""
    folder = settings.DATA_DIR / "uploads" / f"task-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    for number, file in enumerate(files):
        if hasattr(file, "temporary_file_path"):
            shutil.move(file.temporary_file_path(), folder / str(number))
        else:
            (folder / str(number)).write_bytes(file.read())
    return folder.name, [file.name for file in files]


def is_small_upload(folder, files, slug):
    """Whether kept files, and the dataset that they go into, are checked in a moment."""
    paths = list_paths(folder, files)
    prompts = Prompt.objects.filter(dataset__slug=slug, group="")[: PROMPTS_AT_ONCE + 1]  # not yet compared with others
    size = sum(path.stat().st_size for path in paths if path.exists())
    return size <= BYTES_AT_ONCE and prompts.count() <= PROMPTS_AT_ONCE


def start_check(user, folder, files, slug, overlap):
    """The task that checks kept files."""
    return worker.start("check", user, folder=folder, files=files, slug=slug, overlap=overlap)


@kind("check")
def check(job, progress):
    return {"import": check_kept(job.created_by_id, progress=progress, **job.arguments).pk}


def check_kept(user_id, folder, files, slug, overlap, progress=lambda done, total: None):
    """The Import of kept files: checked, or waiting for somebody to say what their columns are.

    Safe to repeat. Raises JobFailure where a file cannot be read; then nothing is kept.
    """
    path = get_folder(folder)
    run = Import.objects.filter(folder=path.name).first()
    if run and run.state != Import.State.UNSURE:  # asked for twice, and done
        return run
    try:
        run = check_files(path, files, slug, progress, run)
    except FileProblem as problem:
        imports_store.drop(run) if run else delete_folder(path)
        raise JobFailure(format_problem(problem)) from None
    except JobCancellation:
        if not run:
            delete_folder(path)
        raise
    except Unsure:
        run = imports_store.wait_for_columns(slug, files, path.name)
    Import.objects.filter(pk=run.pk).update(created_by=user_id, overlap=overlap)
    if not run.folder:
        delete_folder(path)
    return run


def get_folder(name):
    return settings.DATA_DIR / "uploads" / Path(name).name


def list_paths(folder, files):
    return [get_folder(folder) / str(number) for number in range(len(files))]


def check_files(folder, files, slug, progress, run):
    with contextlib.ExitStack() as stack:
        paths = list_paths(folder, files)
        if not all(path.exists() for path in paths):
            raise JobFailure(reasons.JOB["files_gone"])
        tracker = ReadTracker(progress, sum(path.stat().st_size for path in paths))
        opened = [tracker.wrap(stack.enter_context(open(path, "rb"))) for path in paths]
        return imports_store.check(
            list(zip(files, opened, strict=True)), slug, folder=folder, run=run, near_duplicates=True
        )


def sweep():
    """Remove what killed requests and workers left of uploads, and what was kept for tasks that never began, once it
    is a day old."""
    wanted = {job.arguments.get("folder") for job in Job.objects.filter(state__in=Job.OPEN)}
    wanted |= set(Import.objects.exclude(folder="").values_list("folder", flat=True))  # somebody may map their columns
    spools = [path for path in get_spool_folder().glob("*.sqlite3") if not path.name.startswith("import-")]
    for path in [*(settings.DATA_DIR / "uploads").glob("*"), *spools]:
        with contextlib.suppress(FileNotFoundError):  # another worker sweeps too
            if path.name not in wanted and path.stat().st_mtime < time.time() - ABANDONED_AFTER_S:
                delete_folder(path) if path.is_dir() else path.unlink()


def delete_folder(folder):
    shutil.rmtree(folder, ignore_errors=True)


class ReadTracker:
    """Files that tell how much of them all was read."""

    def __init__(self, progress, total):
        self.progress, self.total, self.count = progress, total, 0

    def wrap(self, file):
        return TrackedFile(self, file)

    def add(self, n):
        self.count += n
        self.progress(self.count, self.total)


class TrackedFile:
    def __init__(self, tracker, file):
        self.tracker, self.file = tracker, file

    def __getattr__(self, name):
        return getattr(self.file, name)

    def read(self, size=-1):
        data = self.file.read(size)
        self.tracker.add(len(data))
        return data


def format_problem(problem):
    """What is wrong with a file, for the person who chose it."""
    place = _("%(file)s, line %(line)s") if problem.line else "%(file)s"
    return f"{place % {'file': problem.file, 'line': problem.line}}: {reasons.format_file_problem(problem)}"


def is_small_import(run):
    """Whether a checked import is stored in a moment."""
    return run.rows <= ROWS_AT_ONCE


def start_store(run, user, without=()):
    """The task that stores what was checked, without the rows that have one of these warnings."""
    return worker.start("store", user, **{"import": run.pk, "without": list(without), "of": str(run)})


def start_resume(run, user):
    """The task that finishes an import which was left unfinished; the one at it, where there is one."""
    waiting = Job.objects.filter(kind="store", state__in=Job.OPEN, arguments__import=run.pk).first()
    return waiting or worker.start("store", user, **{"import": run.pk, "resume": True, "of": str(run)})


@kind("store")
def store(job, progress):
    run = Import.objects.filter(pk=job.arguments["import"]).first()
    if run is None:
        raise JobFailure(reasons.JOB["import_gone"])
    is_resumed = job.arguments.get("resume")
    if not is_resumed or job.attempts > 1 or (imports_store.is_abandoned(run) and imports_store.claim_abandoned(run)):
        leave_out(run, job.arguments.get("without"))
        store_or_finish(run, progress, is_resumed or job.attempts > 1)
    return {"dataset": run.slug}


def leave_out(run, without):
    if run.state == Import.State.CHECKED and without:
        imports_store.leave_out(run, without)


def store_now(run, without=()):
    """Store what was checked while somebody waits for it: a few rows."""
    leave_out(run, without)
    imports_store.store(run, run.overlap, throttle(lambda done, total: None))


def store_or_finish(run, progress, is_begun):
    """Store what was checked, or what is left of it where somebody who is gone had begun; stopped, nothing stays."""
    progress = throttle(progress)
    try:
        if is_begun and run.state in Import.UNFINISHED:
            imports_store.resume(run, progress)
        else:
            imports_store.store(run, run.overlap, progress)
    except JobCancellation:
        if run.state == Import.State.STORING:
            imports_store.drop(run)
            raise
        imports_store.store_rows(run)  # all rows are there: what is left takes less than to take them away


def throttle(progress):
    """Progress that rests after each batch: half of the time or more is the annotators', who on SQLite wait for who
    writes, and on PostgreSQL for what else its processors do."""
    since = time.monotonic()

    def report(done, total):
        nonlocal since
        time.sleep(min(LONGEST_REST_S, REST_FACTOR * (time.monotonic() - since)))
        since = time.monotonic()
        progress(done, total)

    return report

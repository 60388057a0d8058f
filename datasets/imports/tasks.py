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
from datasets.jobs import worker
from datasets.jobs.limits import BYTES_AT_ONCE, PROMPTS_AT_ONCE, ROWS_AT_ONCE
from datasets.jobs.worker import JobCancellation, JobFailure, kind
from datasets.models import Import, Job, Prompt

ABANDONED_AFTER_S = 24 * 60 * 60
LONGEST_REST_S = 0.2  # seconds
REST_FACTOR = {"postgresql": 3, "sqlite": 1}[connection.vendor]  # times as long as it worked


def start_upload_check(files, slug, overlap, user):
    """The task that checks uploaded files; they are kept until it is done."""
    folder = settings.DATA_DIR / "uploads" / f"task-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    for number, file in enumerate(files):
        if hasattr(file, "temporary_file_path"):
            shutil.move(file.temporary_file_path(), folder / str(number))
        else:
            (folder / str(number)).write_bytes(file.read())
    return start_check(user, folder.name, [file.name for file in files], slug, overlap)


def start_recheck(run, user):
    """The task that checks the kept files of an import, now that somebody has said which column is what."""
    return start_check(user, run.folder, run.files, run.slug, run.overlap)


def start_check(user, folder, files, slug, overlap):
    paths = [settings.DATA_DIR / "uploads" / folder / str(number) for number in range(len(files))]
    is_small = sum(path.stat().st_size for path in paths if path.exists()) <= BYTES_AT_ONCE
    unmarked = Prompt.objects.filter(dataset__slug=slug, group="")[: PROMPTS_AT_ONCE + 1]
    is_small = is_small and unmarked.count() <= PROMPTS_AT_ONCE
    return worker.start("check", user, None, is_small, folder=folder, files=files, slug=slug, overlap=overlap)


@kind("check")
def check(job, progress):
    arguments = job.arguments
    folder = settings.DATA_DIR / "uploads" / Path(arguments["folder"]).name
    run = Import.objects.filter(folder=folder.name).first()
    if run and run.state != Import.State.UNSURE:  # asked for twice, and done
        return {"import": run.pk}
    try:
        run = check_files(arguments, folder, progress, run)
    except FileProblem as problem:
        imports_store.drop(run) if run else delete_folder(folder)
        raise JobFailure(format_problem(problem)) from None
    except JobCancellation:
        if not run:
            delete_folder(folder)
        raise
    except Unsure:
        run = imports_store.wait_for_columns(arguments["slug"], arguments["files"], folder.name)
    Import.objects.filter(pk=run.pk).update(created_by=job.created_by_id, overlap=arguments["overlap"])
    if not run.folder:
        delete_folder(folder)
    return {"import": run.pk}


def check_files(arguments, folder, progress, run):
    with contextlib.ExitStack() as stack:
        paths = [folder / str(number) for number in range(len(arguments["files"]))]
        if not all(path.exists() for path in paths):
            raise JobFailure(reasons.JOB["files_gone"])
        tracker = ReadTracker(progress, sum(path.stat().st_size for path in paths))
        opened = [tracker.wrap(stack.enter_context(open(path, "rb"))) for path in paths]
        files = list(zip(arguments["files"], opened, strict=True))
        return imports_store.check(files, arguments["slug"], folder=folder, run=run, near_duplicates=True)


def sweep():
    """Remove what was uploaded for tasks that never began, and what killed requests left, once it is a day old."""
    wanted = {job.arguments.get("folder") for job in Job.objects.filter(state__in=Job.OPEN)}
    wanted |= set(Import.objects.exclude(folder="").values_list("folder", flat=True))  # somebody may map their columns
    for path in (settings.DATA_DIR / "uploads").glob("*"):
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


def start_store(run, user, without=()):
    """The task that stores what was checked, without the rows that have one of these warnings."""
    is_small = run.rows <= ROWS_AT_ONCE
    return worker.start("store", user, None, is_small, **{"import": run.pk, "without": list(without), "of": str(run)})


@kind("store")
def store(job, progress):
    run = Import.objects.filter(pk=job.arguments["import"]).first()
    if run is None:
        raise JobFailure(reasons.JOB["import_gone"])
    if run.state == Import.State.CHECKED and job.arguments.get("without"):
        imports_store.leave_out(run, job.arguments["without"])
    store_or_finish(run, job, progress)
    return {"dataset": run.slug}


def store_or_finish(run, job, progress):
    """Store what was checked, or what is left of it where a worker that is gone had begun; stopped, nothing stays."""
    progress = throttle(progress)
    try:
        if job.attempts > 1 and run.state in Import.UNFINISHED:
            imports_store.store_rows(run, progress)
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

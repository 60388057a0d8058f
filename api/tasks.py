"""What a script asks for and does not wait for: storing the rows that it sent."""

import shutil
import time
import uuid
from pathlib import Path

from django.conf import settings

from api.problems import Problem
from api.receiving import checked, stored
from datasets import reasons
from datasets.imports.tasks import Watched, drop, store_or_finish
from datasets.jobs import worker
from datasets.jobs.worker import Cancelled, Failed, kind
from datasets.models import Import, Job


def rows_of(path, dataset, user, **said):
    """The task that stores the rows of a file, which is taken from where it lies. said: format, file, skip_bad_rows."""
    folder = settings.DATA_DIR / "uploads" / f"task-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    shutil.move(path, folder / "0")
    return worker.start("rows", user, dataset, folder=folder.name, **said)


@kind("rows")
def rows(job, progress):
    """Check and store; where a row is refused, nothing is stored, unless that was asked for. As `receive` does it."""
    started, said = time.monotonic(), job.arguments
    try:
        run = Import.objects.filter(pk=said.get("import")).first() or check(job, progress)

        def store(run):
            store_or_finish(run, job, lambda done, total: progress(total + done, 2 * total))

        return stored(run, said["skip_bad_rows"], started, said.get("leave_out", ""), store)
    except Problem as problem:
        raise Failed(problem.body["detail"], **problem.body) from None


def check(job, progress):
    """The checked import. It is noted in the task before the file goes: so a worker that is killed repeats nothing."""
    said = job.arguments
    folder = settings.DATA_DIR / "uploads" / Path(said["folder"]).name
    path = folder / "0"
    if not path.exists():
        raise Failed(reasons.JOB["files_gone"])
    watched = Watched(lambda done, total: progress(done, 2 * total), path.stat().st_size)
    try:
        with open(path, "rb") as file:
            about = (said["format"], said["file"], job.created_by, said.get("leave_out", ""))
            run = checked(watched.of(file), job.dataset, *about)
    except (Problem, Cancelled):
        drop(folder)
        raise
    Job.objects.filter(pk=job.pk, attempts=job.attempts).update(arguments={**said, "import": run.pk})
    drop(folder)
    return run

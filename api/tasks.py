"""What a script asks for and does not wait for: storing the rows that it sent."""

import shutil
import time
import uuid
from pathlib import Path

from django.conf import settings

from api.problems import Problem
from api.rows import check_rows, store_rows
from datasets import reasons
from datasets.imports.tasks import ReadTracker, delete_folder, store_or_finish
from datasets.jobs import worker
from datasets.jobs.worker import JobCancellation, JobFailure, kind
from datasets.models import Import, Job


def start_rows(path, dataset, user, **arguments):
    """The task that stores the rows of a file, which is taken from where it lies.

    arguments: format, file, skip_bad_rows.
    """
    folder = settings.DATA_DIR / "uploads" / f"task-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    shutil.move(path, folder / "0")
    return worker.start("rows", user, dataset, folder=folder.name, **arguments)


@kind("rows")
def check_and_store(job, progress):
    """Check and store; where a row is refused, nothing is stored, unless that was asked for. As `receive` does it."""
    started, arguments = time.monotonic(), job.arguments
    try:
        run = Import.objects.filter(pk=arguments.get("import")).first() or check_file(job, progress)

        def store(run):
            store_or_finish(run, lambda done, total: progress(total + done, 2 * total), job.attempts > 1)

        return store_rows(run, arguments["skip_bad_rows"], started, arguments.get("leave_out", ""), store)
    except Problem as problem:
        raise JobFailure(problem.body["detail"], **problem.body) from None


def check_file(job, progress):
    """The checked import. It is noted in the task before the file goes: so a worker that is killed repeats nothing."""
    arguments = job.arguments
    folder = settings.DATA_DIR / "uploads" / Path(arguments["folder"]).name
    path = folder / "0"
    if not path.exists():
        raise JobFailure(reasons.JOB["files_gone"])
    watched = ReadTracker(lambda done, total: progress(done, 2 * total), path.stat().st_size)
    try:
        with open(path, "rb") as file:
            about = (arguments["format"], arguments["file"], job.created_by, arguments.get("leave_out", ""))
            run = check_rows(watched.wrap(file), job.dataset, *about)
    except (Problem, JobCancellation):
        delete_folder(folder)
        raise
    Job.objects.filter(pk=job.pk, attempts=job.attempts).update(arguments={**arguments, "import": run.pk})
    delete_folder(folder)
    return run

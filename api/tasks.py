"""The background task that stores rows sent by a script."""

import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from annotate.models import User
from api.problems import Problem
from api.rows import build_options, check_rows, store_rows
from datasets import reasons
from datasets.imports.reading import KEEP
from datasets.imports.tasks import ReadTracker, delete_folder, store_or_finish
from datasets.jobs import worker
from datasets.jobs.worker import JobCancellation, JobFailure, kind
from datasets.models import Dataset, Import, Job


def start_rows(path: str | Path, dataset: Dataset, user: User, **arguments: Any) -> Job:
    """A task that stores the rows of the file `path`, which it moves to the uploads.

    arguments: format, file, skip_bad_rows, leave_out, ignore, turns, mask.
    """
    folder = settings.DATA_DIR / "uploads" / f"task-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    shutil.move(path, folder / "0")
    return worker.start("rows", user, dataset, folder=folder.name, **arguments)


@kind("rows")
def check_and_store(job: Job, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Checks and stores rows like `receive`. Returns the fields of RowsStored."""
    started, arguments = time.monotonic(), job.arguments
    try:
        run = Import.objects.filter(pk=arguments.get("import")).first() or check_file(job, progress)

        def store(run: Import) -> None:
            store_or_finish(run, lambda done, total: progress(total + done, 2 * total), job.attempts > 1)

        return store_rows(run, arguments["skip_bad_rows"], started, arguments.get("leave_out", ""), store)
    except Problem as problem:
        raise JobFailure(problem.body["detail"], **problem.body) from None


def check_file(job: Job, progress: Callable[[int, int], None]) -> Import:
    """The checked import of the task's file.

    Notes the import in the task before it deletes the file, so that a retry after a crash does not check it again.
    """
    assert job.dataset is not None
    arguments = job.arguments
    folder = settings.DATA_DIR / "uploads" / Path(arguments["folder"]).name
    path = folder / "0"
    if not path.exists():
        raise JobFailure(reasons.JOB["files_gone"])
    watched = ReadTracker(lambda done, total: progress(done, 2 * total), path.stat().st_size)
    try:
        with open(path, "rb") as file:
            turns, mask = arguments.get("turns", KEEP), arguments.get("mask", "")
            options = build_options(arguments["format"], arguments.get("ignore", ()), turns, mask)
            about = (options, arguments["file"], job.created_by, arguments.get("leave_out", ""))
            run = check_rows(watched.wrap(file), job.dataset, *about)
    except (Problem, JobCancellation):
        delete_folder(folder)
        raise
    Job.objects.filter(pk=job.pk, attempts=job.attempts).update(arguments={**arguments, "import": run.pk})
    delete_folder(folder)
    return run

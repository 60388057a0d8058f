"""The background tasks `check` and `store`, and the same for small uploads within a request."""

import contextlib
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import connection
from django.utils.translation import gettext as _

from datasets import reasons
from datasets.files.item import FileProblem
from datasets.imports import check as imports_check
from datasets.imports import store as imports_store
from datasets.imports.columns import Unsure
from datasets.imports.estimate import fetch_tally
from datasets.imports.spool import get_spool_folder
from datasets.jobs import worker
from datasets.jobs.limits import BYTES_AT_ONCE, PROMPTS_AT_ONCE, ROWS_AT_ONCE
from datasets.jobs.worker import JobCancellation, JobFailure, Progress, kind
from datasets.models import Dataset, Import, Job, Prompt

if TYPE_CHECKING:
    from annotate.models import User

ABANDONED_AFTER_S = 24 * 60 * 60
NewSettings: TypeAlias = Mapping[str, Any]  # {field: value} of a dataset to be created
LONGEST_REST_S = 0.2
REST_FACTOR = {"postgresql": 3, "sqlite": 1}[connection.vendor]  # rest / working time


def keep_files(files: Sequence[UploadedFile]) -> tuple[str, list[str]]:
    """(name of the folder in DATA_DIR/uploads, names of the files) of an upload, kept there until it is checked."""
    folder = settings.DATA_DIR / "uploads" / f"task-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    for number, file in enumerate(files):
        if hasattr(file, "temporary_file_path"):
            shutil.move(file.temporary_file_path(), folder / str(number))
        else:
            (folder / str(number)).write_bytes(file.read())
    return folder.name, [file.name or "" for file in files]


def is_small_upload(folder: str, files: Sequence[str], slug: str) -> bool:
    """Whether kept files can be checked within a request: they and the prompts to compare them with are few."""
    paths = list_paths(folder, files)
    prompts = Prompt.objects.filter(dataset__slug=slug, group="")[: PROMPTS_AT_ONCE + 1]  # their bands are missing
    size = sum(path.stat().st_size for path in paths if path.exists())
    return size <= BYTES_AT_ONCE and prompts.count() <= PROMPTS_AT_ONCE


def start_check(
    user: "User | None", folder: str, files: Sequence[str], slug: str, dataset_settings: NewSettings
) -> Job:
    """Starts the task that checks kept files; arguments as for check_kept."""
    return worker.start("check", user, folder=folder, files=files, slug=slug, dataset_settings=dataset_settings)


@kind("check")
def check(job: Job, progress: Progress) -> dict[str, Any]:
    """Task: check kept files. Result: {"import": id}."""
    return {"import": check_kept(job.created_by_id, progress=progress, **job.arguments).pk}


def check_kept(
    user_id: int | None,
    folder: str,
    files: Sequence[str],
    slug: str,
    dataset_settings: NewSettings,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Import:
    """The Import of kept files: checked, or `unsure` if their columns are ambiguous. Idempotent.

    folder, files: as returned by keep_files.
    slug: of the dataset, which need not exist yet.
    dataset_settings: {field: value} of a new dataset.

    Raises JobFailure if a file cannot be read; then the files are deleted.
    """
    path = get_folder(folder)
    run = Import.objects.filter(folder=path.name).first()
    if run and run.state != Import.State.UNSURE:  # requested twice, and done
        return run
    try:
        run = check_files(path, files, slug, progress, run)
    except FileProblem as problem:
        if run:
            imports_store.drop(run)
        else:
            delete_folder(path)
        raise JobFailure(format_problem(problem)) from None
    except JobCancellation:
        if not run:
            delete_folder(path)
        raise
    except Unsure:
        run = imports_check.wait_for_columns(slug, list(files), path.name)
    Import.objects.filter(pk=run.pk).update(created_by=user_id, dataset_settings=dataset_settings)
    if not run.folder:
        delete_folder(path)
    return run


def get_folder(name: str | Path) -> Path:
    """The folder of kept files."""
    return settings.DATA_DIR / "uploads" / Path(name).name


def list_paths(folder: str | Path, files: Sequence[str]) -> list[Path]:
    """The paths of kept files."""
    return [get_folder(folder) / str(number) for number in range(len(files))]


def check_files(
    folder: Path, files: Sequence[str], slug: str, progress: Callable[[int, int], None], run: Import | None
) -> Import:
    """Checks kept files, with the second pass for near-duplicates; arguments as for check_kept and store.check."""
    with contextlib.ExitStack() as stack:
        paths = list_paths(folder, files)
        if not all(path.exists() for path in paths):
            raise JobFailure(reasons.JOB["files_gone"])
        tracker = ReadTracker(progress, sum(path.stat().st_size for path in paths))
        opened = [tracker.wrap(stack.enter_context(open(path, "rb"))) for path in paths]
        run = imports_check.check(
            list(zip(files, opened, strict=True)), slug, folder=folder, run=run, near_duplicates=True
        )
    fetch_tally(run, Dataset.objects.filter(slug=slug).first() or Dataset())  # kept for the page
    return run


def sweep() -> None:
    """Deletes spools and kept files that no import or task needs and that are more than a day old.

    Killed requests and workers leave them, and so do tasks that never began.
    """
    wanted = {job.arguments.get("folder") for job in Job.objects.filter(state__in=Job.OPEN)}
    wanted |= set(Import.objects.exclude(folder="").values_list("folder", flat=True))  # an admin may map their columns
    spools = [path for path in get_spool_folder().glob("*.sqlite3") if not path.name.startswith("import-")]
    for path in [*(settings.DATA_DIR / "uploads").glob("*"), *spools]:
        with contextlib.suppress(FileNotFoundError):  # another worker sweeps too
            if path.name not in wanted and path.stat().st_mtime < time.time() - ABANDONED_AFTER_S:
                if path.is_dir():
                    delete_folder(path)
                else:
                    path.unlink()


def delete_folder(folder: Path) -> None:
    """Deletes a folder, if it exists."""
    shutil.rmtree(folder, ignore_errors=True)


class ReadTracker:
    """Reports how much of several files has been read.

    total: their size in bytes.
    """

    def __init__(self, progress: Callable[[int, int], None], total: int) -> None:
        self.progress, self.total, self.count = progress, total, 0

    def wrap(self, file: BinaryIO) -> "TrackedFile":
        """The file; reading from it is tracked."""
        return TrackedFile(self, file)

    def add(self, n: int) -> None:
        """Reports n more bytes as read."""
        self.count += n  # beyond the total if a file is read twice
        self.progress(min(self.count, self.total), self.total)


class TrackedFile:
    """A file whose `read` is tracked; everything else is passed through."""

    def __init__(self, tracker: ReadTracker, file: BinaryIO) -> None:
        self.tracker, self.file = tracker, file

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self.tracker.add(len(data))
        return data


def format_problem(problem: FileProblem) -> str:
    """The message about a file, for the person who chose it."""
    place = _("%(file)s, line %(line)s") if problem.line else "%(file)s"
    return f"{place % {'file': problem.file, 'line': problem.line}}: {reasons.format_file_problem(problem)}"


def is_small_import(run: Import) -> bool:
    """Whether a checked import can be stored within a request."""
    return run.rows <= ROWS_AT_ONCE


def start_store(run: Import, user: "User | None", without: Iterable[str] = (), masked: Iterable[str] = ()) -> Job:
    """Starts the task that stores a checked import.

    without: warnings; rows that have one of them are left out.
    masked: what to mask in the others, see personal_data.MASKABLE.
    """
    arguments: dict[str, Any] = {"import": run.pk, "without": list(without), "mask": list(masked), "of": str(run)}
    return worker.start("store", user, **arguments)


def start_resume(run: Import, user: "User | None") -> Job:
    """The task that resumes an unfinished import: the open one, or a new one."""
    waiting = Job.objects.filter(kind="store", state__in=Job.OPEN, arguments__import=run.pk).first()
    arguments: dict[str, Any] = {"import": run.pk, "resume": True, "of": str(run)}
    return waiting or worker.start("store", user, **arguments)


@kind("store")
def store(job: Job, progress: Progress) -> dict[str, Any]:
    """Task: store or resume an import. Result: {"dataset": slug}."""
    run = Import.objects.filter(pk=job.arguments["import"]).first()
    if run is None:
        raise JobFailure(reasons.JOB["import_gone"])
    is_resumed = job.arguments.get("resume")
    if not is_resumed or job.attempts > 1 or (imports_store.is_abandoned(run) and imports_store.claim_abandoned(run)):
        prepare(run, job.arguments.get("without"), job.arguments.get("mask"))
        store_or_finish(run, progress, is_resumed or job.attempts > 1)
    return {"dataset": run.slug}


def prepare(run: Import, without: Iterable[str] | None, masked: Iterable[str] | None) -> None:
    """Leaves out rows with some warnings and masks the others, if the import is not stored yet."""
    if run.state == Import.State.CHECKED and without:
        imports_check.leave_out(run, without)
    if run.state == Import.State.CHECKED and masked:
        imports_check.mask(run, masked)


def store_now(run: Import, without: Iterable[str] = (), masked: Iterable[str] = ()) -> None:
    """Stores a small checked import within a request; arguments as for start_store."""
    prepare(run, without, masked)
    imports_store.store(run, throttle(lambda done, total: None))


def store_or_finish(run: Import, progress: Callable[[int, int], None], is_begun: bool) -> None:
    """Stores a checked import, or resumes one. On JobCancellation, an import that is not fully stored is removed.

    is_begun: whether an earlier attempt may have begun to store it.
    """
    progress = throttle(progress)
    try:
        if is_begun and run.state in Import.UNFINISHED:
            imports_store.resume(run, progress)
        else:
            imports_store.store(run, progress)
    except JobCancellation:
        if run.state == Import.State.STORING:
            imports_store.drop(run)
            raise
        imports_store.store_rows(run)  # all rows are stored: finishing takes less time than removing them


def throttle(progress: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """A progress callback that sleeps after each batch, so that annotators get at least half of the time.

    On SQLite annotators wait for the writer, on PostgreSQL for a busy processor.
    """
    since = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal since
        time.sleep(min(LONGEST_REST_S, REST_FACTOR * (time.monotonic() - since)))
        since = time.monotonic()
        progress(done, total)

    return report

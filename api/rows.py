"""Rows sent by a script: the body is written to disk, then imported as by the command import_dataset."""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from django.conf import settings
from django.http import HttpRequest, UnreadablePostError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotate.models import User
from api.problems import MAX_REFUSALS, ErrorEntry, Problem, build_file_problem, build_refusal_errors
from datasets.disk import DiskFull, is_disk_full
from datasets.files.item import FileProblem
from datasets.files.streams import Rereadable
from datasets.imports import check as imports_check
from datasets.imports import spool as imports_spool
from datasets.imports import store as imports_store
from datasets.imports.personal_data import parse_mask
from datasets.imports.reading import Options
from datasets.imports.spool import Spool
from datasets.imports.summary import build_summary
from datasets.imports.warnings import SECOND_PASS, parse_warnings
from datasets.models import Dataset, Import
from datasets.views.request_bodies import allow_file

PIECE = 1 << 20
NO_ROOM = gettext_lazy("The server's disk is full. Nothing was stored.")


def receive(
    file: BinaryIO, dataset: Dataset, user: User, options: Options, skip_bad_rows: bool, name: str, leave_out: str
) -> dict[str, Any]:
    """Checks and stores the rows of a file; returns the fields of RowsStored.

    name: of the import, in lists and in refusals.
    leave_out: comma-separated warnings whose rows to leave out.

    Raises Problem, in which case nothing is stored.
    """
    started = time.monotonic()
    run = check_rows(file, dataset, options, name, user, leave_out)
    return store_rows(run, skip_bad_rows, started, leave_out)


def build_options(format_name: str, ignore: Iterable[str], turns: str, mask: str = "") -> Options:
    """The options of a check, from the parameters of a request."""
    return Options(format_name, ignored=frozenset(ignore), turns=turns, mask=parse_mask([mask]))


def check_rows(
    file: Rereadable, dataset: Dataset, options: Options, name: str, user: User | None, leave_out: str
) -> Import:
    """The checked import of a file's rows. Arguments as in `receive`. Raises Problem if the file cannot be read."""
    twice = bool(SECOND_PASS & set(parse_warnings([leave_out])))
    try:
        run = imports_check.check([(name, file)], dataset.slug, options, near_duplicates=twice)
    except FileProblem as problem:
        raise build_file_problem(problem) from None
    Import.objects.filter(pk=run.pk).update(created_by=user)
    return run


def store_rows(
    run: Import,
    skip_bad_rows: bool,
    started: float,
    leave_out: str,
    store: Callable[[Import], object] = imports_store.store,
) -> dict[str, Any]:
    """Stores a checked import; returns the fields of RowsStored.

    started: `time.monotonic()` at its start.

    Raises Problem, in which case the import is dropped: 422 if rows are refused and not `skip_bad_rows`, 503 if another
    import holds the dataset.
    """
    errors = read_first_refusals(run)
    warnings = imports_check.count_warnings(run)
    if run.blocking:
        report = build_summary(run, warnings, time.monotonic() - started)
        imports_store.drop(run)
        detail = _("Columns that may matter for training are not read: %(columns)s. Nothing was stored.")
        raise Problem(422, detail % {"columns": ", ".join(run.blocking)}, errors, unread=run.unread, summary=report)
    if imports_check.count_wrong_rows(run) and not skip_bad_rows:
        report = build_summary(run, warnings, time.monotonic() - started)
        imports_store.drop(run)
        raise Problem(422, _("Some rows were rejected; nothing was stored."), errors, summary=report)
    if imports_check.leave_out(run, parse_warnings([leave_out])):
        errors = read_first_refusals(run)
    try:
        store(run)
    except TimeoutError:
        imports_store.drop(run)
        raise Problem(503, _("Another import into this dataset is running. Try again when it is done.")) from None
    run.refresh_from_db()
    summary = build_summary(run, warnings, time.monotonic() - started)
    return {**summary, "number": run.pk, "errors": errors, "doubts": warnings}


@contextlib.contextmanager
def body_file(request: HttpRequest) -> Iterator[BinaryIO]:
    """The body as a file on disk, deleted afterwards unless it was moved. Holds only one piece of it in memory.

    Raises Problem for a multipart form (415) and for a full disk (507).
    """
    if request.content_type == "multipart/form-data":
        raise Problem(415, _("Send the rows as the request body, not in a form: curl --data-binary @rows.jsonl"))
    path = settings.FILE_UPLOAD_TEMP_DIR / f"body-{uuid.uuid4().hex}"
    try:
        allow_file(request)
        with open(path, "w+b") as file:
            while piece := request.read(PIECE):
                file.write(piece)
            file.flush()
            if file.tell() < int(request.META.get("CONTENT_LENGTH") or 0):
                raise UnreadablePostError
            file.seek(0)
            yield file
    except (DiskFull, OSError) as error:
        if is_disk_full(error):
            raise Problem(507, NO_ROOM) from error
        raise
    finally:
        path.unlink(missing_ok=True)


def read_first_refusals(run: Import) -> list[ErrorEntry]:
    """The first MAX_REFUSALS refused rows of an import."""
    path = imports_spool.get_spool_path(run)
    if not path.exists():
        return []
    spool = Spool(path)
    errors = build_refusal_errors(spool.iter_refusals(most=MAX_REFUSALS)) if run.refused else []
    spool.close()
    return errors

"""Rows that a script sends: the body to disk, then as the command import_dataset does it."""

import contextlib
import time
import uuid

from django.conf import settings
from django.http import UnreadablePostError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from api.problems import MAX_REFUSALS, Problem, build_file_problem, build_refusal_errors
from datasets.disk import DiskFull, is_disk_full
from datasets.files.item import FileProblem
from datasets.imports import store as imports_store
from datasets.imports.spool import Spool
from datasets.imports.summary import build_summary
from datasets.imports.warnings import SECOND_PASS, parse_warnings
from datasets.models import Import
from datasets.views.request_bodies import allow_file

PIECE = 1 << 20
NO_ROOM = gettext_lazy("The server's disk has no room for this. Nothing was stored.")


def receive(file, dataset, user, format, skip_bad_rows, name, leave_out):
    """Check and store the rows of a file; the summary. Raises Problem, and then nothing is stored."""
    started = time.monotonic()
    return store_rows(check_rows(file, dataset, format, name, user, leave_out), skip_bad_rows, started, leave_out)


def check_rows(file, dataset, format, name, user, leave_out):
    twice = bool(SECOND_PASS & set(parse_warnings([leave_out])))
    try:
        run = imports_store.check([(name, file)], dataset.slug, format, near_duplicates=twice)
    except FileProblem as problem:
        raise build_file_problem(problem) from None
    Import.objects.filter(pk=run.pk).update(created_by=user)
    return run


def store_rows(run, skip_bad_rows, started, leave_out, store=imports_store.store):
    errors = read_first_refusals(run)
    if imports_store.count_wrong_rows(run) and not skip_bad_rows:
        report = build_summary(run, time.monotonic() - started)
        imports_store.drop(run)
        raise Problem(422, _("Rows are refused: nothing is stored."), errors, summary=report)
    doubts = imports_store.count_warnings(run)
    if imports_store.leave_out(run, parse_warnings([leave_out])):
        errors = read_first_refusals(run)
    try:
        store(run)
    except TimeoutError:
        imports_store.drop(run)
        raise Problem(503, _("Another import into this dataset is being stored. Try again when it is done.")) from None
    run.refresh_from_db()
    return {**build_summary(run, time.monotonic() - started), "number": run.pk, "errors": errors, "doubts": doubts}


@contextlib.contextmanager
def body_file(request):
    """The body as a file on disk, from its beginning; gone afterwards, unless it was moved away. Memory holds a piece
    of it."""
    if request.content_type == "multipart/form-data":
        raise Problem(415, _("Send the rows as the body itself, not in a form: curl --data-binary @rows.jsonl"))
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


def read_first_refusals(run):
    path = imports_store.get_spool_path(run)
    if not path.exists():
        return []
    spool = Spool(path)
    errors = build_refusal_errors(spool.iter_refusals(most=MAX_REFUSALS)) if run.refused else []
    spool.close()
    return errors

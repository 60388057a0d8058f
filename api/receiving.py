"""Rows that a script sends: the body to disk, then as the command import_dataset does it."""

import contextlib
import time
import uuid

from django.conf import settings
from django.http import UnreadablePostError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from api.problems import REFUSALS_SHOWN, Problem, of_file, of_refusals
from datasets.disk import DiskFull, is_disk_full
from datasets.files.detect import FileProblem
from datasets.imports import store as imports_store
from datasets.imports.spool import Spool
from datasets.imports.warnings import AT_A_SECOND_LOOK, named_doubts
from datasets.management.commands.import_dataset import summary
from datasets.models import Import
from datasets.views.bodies import allow_file

PIECE = 1 << 20
NO_ROOM = gettext_lazy("The server's disk has no room for this. Nothing was stored.")


def receive(file, dataset, user, format, skip_bad_rows, name, leave_out):
    """Check and store the rows of a file; the summary. Raises Problem, and then nothing is stored."""
    started = time.monotonic()
    return stored(checked(file, dataset, format, name, user, leave_out), skip_bad_rows, started, leave_out)


def checked(file, dataset, format, name, user, leave_out):
    twice = bool(AT_A_SECOND_LOOK & set(named_doubts([leave_out])))
    try:
        run = imports_store.check([(name, file)], dataset.slug, format, twice=twice)
    except FileProblem as problem:
        raise of_file(problem) from None
    Import.objects.filter(pk=run.pk).update(created_by=user)
    return run


def stored(run, skip_bad_rows, started, leave_out, store=imports_store.store):
    errors = first_refusals(run)
    if imports_store.wrong_rows(run) and not skip_bad_rows:
        told = summary(run, time.monotonic() - started)
        imports_store.drop(run)
        raise Problem(422, _("Rows are refused: nothing is stored."), errors, summary=told)
    doubts = imports_store.doubt_counts(run)
    if imports_store.leave_out(run, named_doubts([leave_out])):
        errors = first_refusals(run)
    try:
        store(run)
    except TimeoutError:
        imports_store.drop(run)
        raise Problem(503, _("Another import into this dataset is being stored. Try again when it is done.")) from None
    run.refresh_from_db()
    return {**summary(run, time.monotonic() - started), "number": run.pk, "errors": errors, "doubts": doubts}


@contextlib.contextmanager
def body_of(request):
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


def first_refusals(run):
    path = imports_store.spool_path(run)
    if not path.exists():
        return []
    spool = Spool(path)
    found = of_refusals(spool.refusals(most=REFUSALS_SHOWN)) if run.refused else []
    spool.close()
    return found

"""Rows that a script sends: the body to disk, then as the command import_dataset does it."""

import contextlib
import tempfile
import time

from django.conf import settings
from django.http import UnreadablePostError
from django.utils.translation import gettext as _

from api.problems import REFUSALS_SHOWN, Problem, of_file, of_refusals
from datasets import imports
from datasets.doubts import AT_A_SECOND_LOOK, named_doubts
from datasets.files import FileProblem
from datasets.management.commands.import_dataset import summary
from datasets.models import Import
from datasets.spool import Spool

PIECE = 1 << 20


def receive(request, dataset, format, skip_bad_rows, name, leave_out):
    """Check and store the rows of a request's body; the summary. Raises Problem, and then nothing is stored."""
    started, left_out = time.monotonic(), named_doubts([leave_out])
    with body_of(request) as file:
        try:
            run = imports.check([(name, file)], dataset.slug, format, twice=bool(AT_A_SECOND_LOOK & set(left_out)))
        except FileProblem as problem:
            raise of_file(problem) from None
    Import.objects.filter(pk=run.pk).update(created_by=request.user)
    errors = first_refusals(run)
    if run.refused and not skip_bad_rows:
        told = summary(run, time.monotonic() - started)
        imports.drop(run)
        raise Problem(422, _("Rows are refused: nothing is stored."), errors, summary=told)
    doubts = imports.doubt_counts(run)
    if imports.leave_out(run, left_out):
        errors = first_refusals(run)
    try:
        imports.store(run)
    except TimeoutError:
        imports.drop(run)
        raise Problem(503, _("Another import into this dataset is being stored. Try again when it is done.")) from None
    return {**summary(run, time.monotonic() - started), "number": run.pk, "errors": errors, "doubts": doubts}


@contextlib.contextmanager
def body_of(request):
    """The body as a file on disk, from its beginning. Memory holds a piece of it."""
    if request.content_type == "multipart/form-data":
        raise Problem(415, _("Send the rows as the body itself, not in a form: curl --data-binary @rows.jsonl"))
    with tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as file:
        stream = stream_of(request)
        while piece := stream.read(PIECE):
            file.write(piece)
        if file.tell() < int(request.META.get("CONTENT_LENGTH") or 0):
            raise UnreadablePostError
        file.seek(0)
        yield file


def stream_of(request):
    """The body of a request; where its length is not said beforehand, as the server reads it: Django would see none."""
    is_chunked = not request.META.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" in request.META
    return request.META["wsgi.input"] if is_chunked and request.META.get("wsgi.input_terminated") else request


def first_refusals(run):
    path = imports.spool_path(run)
    if not path.exists():
        return []
    spool = Spool(path)
    found = of_refusals(spool.refusals(most=REFUSALS_SHOWN)) if run.refused else []
    spool.close()
    return found

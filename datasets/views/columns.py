"""The page on which an admin assigns roles to the columns of a file."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from datasets import reasons
from datasets.files.item import Item
from datasets.formats import mapping
from datasets.formats.rows import RawRow, Refusal, Vote
from datasets.imports import spool as imports_spool
from datasets.imports import store as imports_store
from datasets.imports import tasks
from datasets.imports.column_forms import ColumnsForm, format_role, has_kept_shape
from datasets.imports.columns import ROWS_SHOWN, Draft, get_first_values, read_draft, save_roles
from datasets.imports.reading import Options, Reading, keep_keys
from datasets.jobs.worker import JobFailure
from datasets.models import Import
from datasets.text.rendered import render as render_text
from datasets.text.rendered import render_prompt_parts
from datasets.views.access import UserRequest

SHOWN_CHARACTERS = 160
ANSWERS_SHOWN = 6


def show_columns(request: UserRequest, run: Import) -> HttpResponse:
    """The columns with their first values and a preview of the first rows; POST previews, reads or drops the files."""
    column_notes = read_draft(imports_spool.get_files_folder(run))
    decision = request.POST.get("decision")
    if decision == "drop":
        imports_store.drop(run)
        messages.info(request, _("Nothing was stored."))
        return redirect("upload")
    form = ColumnsForm(column_notes, request.POST if decision else None) if column_notes else None
    if decision == "read" and column_notes and form and form.is_valid():
        save_roles(column_notes, form.roles, request.user)
        try:
            return check_kept(request, run.folder, run.files, run.slug, run.dataset_settings)
        except JobFailure as why:
            messages.error(request, str(why))
            return redirect("upload")
    roles = choose_roles(column_notes, form)
    context = {
        "run": run,
        "form": form,
        "asked": column_notes,
        "why": column_notes and reasons.UNSURE[column_notes["why"]],
        "columns": form
        and column_notes
        and list(zip(form.get_column_fields(), shorten_values(get_first_values(column_notes)), strict=True)),
        "rows": list_previews(column_notes, roles) if column_notes and roles else [],
        "unread": list_unread(column_notes) if column_notes else [],
    }
    return render(request, "datasets/columns.html", context, status=422 if form and form.errors else 200)


def check_kept(
    request: UserRequest, folder: str, files: list[str], slug: str, dataset_settings: tasks.NewSettings
) -> HttpResponse:
    """A redirect to the page of the import, or of the task that checks its files if they are large.

    folder: where `tasks.keep_files` has put the files.
    dataset_settings: {field: value} of a new dataset.

    Raises JobFailure when the files cannot be read.
    """
    if not tasks.is_small_upload(folder, files, slug):
        return redirect("task", tasks.start_check(request.user, folder, files, slug, dataset_settings).pk)
    return redirect("import", tasks.check_kept(request.user.pk, folder, files, slug, dataset_settings).pk)


def choose_roles(column_notes: Draft | None, form: ColumnsForm | None) -> dict[str, str] | None:
    """The roles for the preview: those of the form or the proposed ones; None if no row can be read with them."""
    if form and form.is_bound:
        return form.roles if form.is_valid() else None
    if column_notes is None:
        return None
    if has_kept_shape(column_notes):
        return {mapping.FORMAT: column_notes["shape"]}
    return None if mapping.find_fault(column_notes["roles"]) else column_notes["roles"]


def shorten_values(columns: Sequence[tuple[str, list[str]]]) -> list[list[str]]:
    return [
        [value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}…" for value in values]
        for _column, values in columns
    ]


def list_previews(draft: Draft, roles: dict[str, str]) -> list[dict[str, Any]]:
    """The first rows as annotators will see them."""
    return [build_row_preview(roles, row) for row in draft["rows"][:ROWS_SHOWN]]


def list_unread(draft: Draft) -> list[tuple[str, int, bool]]:
    """(column, rows that have it, whether it blocks the import) for columns that the detected format does not read."""
    return [(column, rows, column in draft["blocking"]) for column, rows in draft["unread"].items()]


def build_row_preview(roles: dict[str, str], row: RawRow) -> dict[str, Any]:
    """A row as annotators will see it: {prompt, responses, said}, or {refused, field, detail}."""
    reading = Reading(roles.get(mapping.FORMAT, mapping.NAME), keep_keys, roles, Options())
    parsed_row = reading.read(Item(1, row))
    if isinstance(parsed_row, Refusal):
        return {"refused": reasons.REFUSED[parsed_row.reason], "field": parsed_row.field, "detail": parsed_row.detail}
    responses = parsed_row.responses[:ANSWERS_SHOWN]
    return {
        "prompt": render_prompt_parts(parsed_row.prompt),
        "responses": [(response.source, render_text(response.text)) for response in responses],
        "said": [format_vote(vote) for vote in parsed_row.votes[:ANSWERS_SHOWN]] or [reasons.KINDS[parsed_row.kind]],
    }


def format_vote(vote: Vote) -> str:
    """The verdict on two answers, in words."""
    numbers = {"one": vote.pair[0] + 1, "other": vote.pair[1] + 1}
    if vote.verdict == "tie":
        return _("Answers %(one)s and %(other)s are tied.") % numbers
    if vote.verdict == "both_bad":
        return _("Answers %(one)s and %(other)s are both bad.") % numbers
    better = {
        1: _("Answer %(one)s is better than answer %(other)s."),
        2: _("Answer %(one)s is clearly better than answer %(other)s."),
        3: _("Answer %(one)s is much better than answer %(other)s."),
    }
    return better[vote.strength] % numbers


def label_columns(run: Import) -> list[list[tuple[str | Promise, str]]]:
    """[[(role in words, column)]] of the files of an import whose columns were mapped by hand."""
    return [
        [(format_role(role), roles[role]) for role in roles if roles[role] in mapping.list_columns(roles)]
        for roles in run.read_as
    ]

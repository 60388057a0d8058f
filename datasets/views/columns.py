"""The page on which an admin says which column of a file is what."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from datasets import reasons
from datasets.files.item import Item
from datasets.formats import mapping
from datasets.formats.rows import Refusal
from datasets.imports import store as imports_store
from datasets.imports import tasks
from datasets.imports.column_forms import ColumnsForm, format_role
from datasets.imports.columns import get_first_values, read_draft, save_roles
from datasets.imports.validate import read_mapped
from datasets.jobs.worker import JobFailure
from datasets.text.rendered import render as render_text
from datasets.text.rendered import render_prompt_parts

SHOWN_CHARACTERS = 160
ANSWERS_SHOWN = 6


def show_columns(request, run):
    """The columns with their first values, and the first rows as they will be judged. POST: look, read them so, or
    drop the files."""
    column_notes = read_draft(imports_store.get_files_folder(run))
    decision = request.POST.get("decision")
    if decision == "drop":
        imports_store.drop(run)
        messages.info(request, _("Nothing was stored."))
        return redirect("upload")
    form = column_notes and ColumnsForm(column_notes, request.POST if decision else None)
    if decision == "read" and form and form.is_valid():
        save_roles(column_notes, form.roles, request.user)
        try:
            return check_kept(request, run.folder, run.files, run.slug, run.overlap)
        except JobFailure as why:
            messages.error(request, str(why))
            return redirect("upload")
    roles = choose_roles(column_notes, form)
    context = {
        "run": run,
        "form": form,
        "asked": column_notes,
        "why": column_notes and reasons.UNSURE[column_notes["why"]],
        "columns": column_notes
        and list(zip(form.get_column_fields(), shorten_values(get_first_values(column_notes)), strict=True)),
        "rows": [build_row_preview(roles, row) for row in column_notes["rows"]] if roles else [],
    }
    return render(request, "datasets/columns.html", context, status=422 if form and form.errors else 200)


def check_kept(request, folder, files, slug, overlap):
    """Check kept files now where they are small, else in the background; then the page of either. Raises JobFailure."""
    if not tasks.is_small_upload(folder, files, slug):
        return redirect("task", tasks.start_check(request.user, folder, files, slug, overlap).pk)
    return redirect("import", tasks.check_kept(request.user.pk, folder, files, slug, overlap).pk)


def choose_roles(column_notes, form):
    """By what the first rows are shown: what was said, or the guess; None where nothing can be read so."""
    if form and form.is_bound:
        return form.roles if form.is_valid() else None
    return column_notes and not mapping.find_fault(column_notes["roles"]) and column_notes["roles"]


def shorten_values(columns):
    return [
        [value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}…" for value in values]
        for _column, values in columns
    ]


def build_row_preview(roles, row):
    """A row as it will be judged: {prompt, responses, said}, or {refused, field}."""
    parsed_row = read_mapped(Item(1, row), roles)
    if isinstance(parsed_row, Refusal):
        return {"refused": reasons.REFUSED[parsed_row.reason], "field": parsed_row.field, "detail": parsed_row.detail}
    responses = parsed_row.responses[:ANSWERS_SHOWN]
    return {
        "prompt": render_prompt_parts(parsed_row.prompt),
        "responses": [(response.source, render_text(response.text)) for response in responses],
        "said": [format_vote(vote) for vote in parsed_row.votes[:ANSWERS_SHOWN]] or [reasons.KINDS[parsed_row.kind]],
    }


def format_vote(vote):
    """What a verdict says of its two answers."""
    numbers = {"one": vote.pair[0] + 1, "other": vote.pair[1] + 1}
    if vote.verdict == "tie":
        return _("Answers %(one)s and %(other)s are equally good.") % numbers
    if vote.verdict == "both_bad":
        return _("Answers %(one)s and %(other)s are both bad.") % numbers
    better = {
        1: _("Answer %(one)s is better than answer %(other)s."),
        2: _("Answer %(one)s is clearly better than answer %(other)s."),
        3: _("Answer %(one)s is much better than answer %(other)s."),
    }
    return better[vote.strength] % numbers


def label_columns(run):
    """[[(what, column)]] of an import whose columns somebody named."""
    return [
        [(format_role(role), column) for role, column in roles.items() if role != "counts"] for roles in run.read_as
    ]

"""The page on which an admin says which column of a file is what."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from datasets import reasons
from datasets.files.detect import Item
from datasets.formats import mapping
from datasets.formats.rows import Refused
from datasets.imports import store as imports_store
from datasets.imports import tasks
from datasets.imports.column_forms import ColumnsForm, label_of
from datasets.imports.columns import first_values, noted, remember
from datasets.imports.validate import read_mapped
from datasets.text.rendered import prompt_html
from datasets.text.rendered import render as render_text

SHOWN_CHARACTERS = 160
ANSWERS_SHOWN = 6


def columns_page(request, run):
    """The columns with their first values, and the first rows as they will be judged. POST: look, read them so, or
    drop the files."""
    asked = noted(imports_store.files_of(run))
    decision = request.POST.get("decision")
    if decision == "drop":
        imports_store.drop(run)
        messages.info(request, _("Nothing was stored."))
        return redirect("upload")
    form = asked and ColumnsForm(asked, request.POST if decision else None)
    if decision == "read" and form and form.is_valid():
        remember(asked, form.roles, request.user)
        return redirect("task", tasks.check_again(run, request.user).pk)
    roles = roles_to_show(asked, form)
    context = {
        "run": run,
        "form": form,
        "asked": asked,
        "why": asked and reasons.UNSURE[asked["why"]],
        "columns": asked and list(zip(form.fields_of_columns(), shortened(first_values(asked)), strict=True)),
        "rows": [as_judged(roles, row) for row in asked["rows"]] if roles else [],
    }
    return render(request, "datasets/columns.html", context, status=422 if form and form.errors else 200)


def roles_to_show(asked, form):
    """By what the first rows are shown: what was said, or the guess; None where nothing can be read so."""
    if form and form.is_bound:
        return form.roles if form.is_valid() else None
    return asked and not mapping.wrong(asked["roles"]) and asked["roles"]


def shortened(columns):
    return [
        [value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}…" for value in values]
        for _column, values in columns
    ]


def as_judged(roles, row):
    """A row as it will be judged: {prompt, responses, said}, or {refused, field}."""
    found = read_mapped(Item(1, row), roles)
    if isinstance(found, Refused):
        return {"refused": reasons.REFUSED[found.reason], "field": found.field, "detail": found.detail}
    shown = found.responses[:ANSWERS_SHOWN]
    return {
        "prompt": prompt_html(found.prompt),
        "responses": [(response.source, render_text(response.text)) for response in shown],
        "said": [in_words(vote) for vote in found.votes[:ANSWERS_SHOWN]] or [reasons.KINDS[found.kind]],
    }


def in_words(vote):
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


def said_of(run):
    """[[(what, column)]] of an import whose columns somebody named."""
    return [[(label_of(role), column) for role, column in roles.items() if role != "counts"] for roles in run.read_as]

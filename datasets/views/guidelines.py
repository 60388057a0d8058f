"""The annotation guidelines of a dataset, and their versions."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from datasets.audit import guidelines
from datasets.audit.dataset_state import mark_done
from datasets.forms import GuidelineForm
from datasets.models import Dataset
from datasets.views.access import UserRequest, dataset_admin_required

VERSIONS_SHOWN = 100


class VersionsForm(forms.Form):
    """The numbers of the two versions to compare; 0 is none."""

    old = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)
    new = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)


@dataset_admin_required
def guideline_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The guidelines in a form, and their versions, newest first.

    One version (by default the newest) is compared with another (the one before it). POST saves a new version.
    """
    editor = GuidelineForm(request.POST or None, instance=dataset)
    if request.method == "POST" and editor.is_valid():
        editor.save(by=request.user)
        mark_done(dataset, "guidelines")
        messages.success(request, _("Saved."))
        return redirect("guidelines", dataset.slug)
    form = VersionsForm(request.GET)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    versions = list(dataset.guidelines.defer("text", "criteria").select_related("made_by")[:VERSIONS_SHOWN])
    counts = guidelines.count_votes_by_version(dataset)
    rows = [(version, counts.get(version.number, 0)) for version in versions]
    context = {"dataset": dataset, "editor": editor, "versions": rows, "earlier": counts.get(0, 0)}
    if versions:
        new = form.cleaned_data["new"] or versions[0].number
        old = form.cleaned_data["old"]
        context |= compare_versions(dataset, new - 1 if old is None else old, new)
    return render(request, "datasets/guidelines.html", context, status=422 if editor.errors else 200)


def compare_versions(dataset: Dataset, old: int, new: int) -> dict[str, Any]:
    """The two versions with these numbers, their differences marked; only the second if `old` is 0 or equals `new`."""
    second = get_object_or_404(dataset.guidelines, number=new)
    if not old or old == new:
        return {"new": second, "new_html": guidelines.render_version(second)}
    first = get_object_or_404(dataset.guidelines, number=old)
    old_html, new_html = guidelines.render_differences(first, second)
    return {"old": first, "new": second, "old_html": old_html, "new_html": new_html}

"""The versions of a dataset's guideline."""

from typing import Any

from django import forms
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from datasets.audit import guidelines
from datasets.models import Dataset
from datasets.views.access import UserRequest, dataset_admin_required

VERSIONS_SHOWN = 100


class VersionsForm(forms.Form):
    """The numbers of the two versions to compare; 0 is none."""

    old = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)
    new = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)


@dataset_admin_required
@require_safe
def guideline_list(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The versions, newest first; one of them (by default the newest) compared with another (the one before it)."""
    form = VersionsForm(request.GET)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    versions = list(dataset.guidelines.defer("text", "criteria").select_related("made_by")[:VERSIONS_SHOWN])
    counts = guidelines.count_votes_by_version(dataset)
    rows = [(version, counts.get(version.number, 0)) for version in versions]
    context = {"dataset": dataset, "versions": rows, "earlier": counts.get(0, 0)}
    if versions:
        new = form.cleaned_data["new"] or versions[0].number
        old = form.cleaned_data["old"]
        context |= compare_versions(dataset, new - 1 if old is None else old, new)
    return render(request, "datasets/guidelines.html", context)


def compare_versions(dataset: Dataset, old: int, new: int) -> dict[str, Any]:
    """The two versions with these numbers, their differences marked; only the second if `old` is 0 or equals `new`."""
    second = get_object_or_404(dataset.guidelines, number=new)
    if not old or old == new:
        return {"new": second, "new_html": guidelines.render_version(second)}
    first = get_object_or_404(dataset.guidelines, number=old)
    old_html, new_html = guidelines.render_differences(first, second)
    return {"old": first, "new": second, "old_html": old_html, "new_html": new_html}

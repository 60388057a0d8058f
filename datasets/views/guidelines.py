"""The versions of a dataset's guideline."""

from django import forms
from django.core.exceptions import BadRequest
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from datasets.audit import guidelines
from datasets.views.access import dataset_admin_required

VERSIONS_SHOWN = 100


class VersionsForm(forms.Form):
    """Which two are compared, by number; 0 is none."""

    old = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)
    new = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)


@dataset_admin_required
@require_safe
def guideline_list(request, dataset):
    """The versions, newest first; one of them (if none is named, the newest) beside the one before it, or another."""
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


def compare_versions(dataset, old, new):
    """The two versions of these numbers with what differs marked; the second alone where there is no first."""
    second = get_object_or_404(dataset.guidelines, number=new)
    if not old or old == new:
        return {"new": second, "new_html": guidelines.render_version(second)}
    first = get_object_or_404(dataset.guidelines, number=old)
    old_html, new_html = guidelines.render_differences(first, second)
    return {"old": first, "new": second, "old_html": old_html, "new_html": new_html}

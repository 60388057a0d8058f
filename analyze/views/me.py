"""The page on which annotators see how they judge."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analyze.advice import build_advice
from analyze.latest_report import fetch_numbers, find_latest_report
from analyze.summary import find_usual_band
from annotate.views.history import list_done
from datasets.models import Dataset
from datasets.views.access import UserRequest, annotator_required


@annotator_required
@never_cache
@require_safe
def me(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The annotator's own numbers, from the last report."""
    report = find_latest_report(dataset)
    numbers = fetch_numbers(report, "annotators", "agreement")
    context = {
        "dataset": dataset,
        "report": report,
        "judgments": list_done(request.user, dataset).count(),
        "advice": build_advice(
            numbers["annotators"] or [], request.user.username, find_usual_band(numbers["agreement"])
        ),
    }
    return render(request, "analyze/me.html", context)

"""What annotators see of how they judge."""

from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analyze.advice import advice
from analyze.latest_report import kept, numbers_in
from analyze.summary import usual
from annotate.views.history import done_by
from datasets.views.access import annotator_required


@annotator_required
@never_cache
@require_safe
def me(request, dataset):
    """One's own numbers, as of the report that an admin had computed last."""
    report = kept(dataset)
    numbers = numbers_in(report, "annotators", "agreement")
    context = {
        "dataset": dataset,
        "report": report,
        "judgments": done_by(request, dataset).count(),
        "advice": advice(numbers["annotators"] or [], request.user.username, usual(numbers["agreement"])),
    }
    return render(request, "analyze/me.html", context)

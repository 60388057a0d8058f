"""A trial: an admin judges ten comparisons of a dataset as annotators will; nothing is saved."""

import random

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotate.comparison_context import build_comparison_context, render_criteria
from annotate.judging.forms import VerdictForm
from annotate.judging.question_spec import build_spec
from annotate.models import User
from datasets.audit.dataset_state import mark_done
from datasets.models import Comparison, Dataset, Judgment
from datasets.text.rendered import render as render_text
from datasets.views.access import UserRequest, dataset_admin_required
from datasets.views.paging import parse_after

COMPARISONS = 10


@dataset_admin_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def try_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """One comparison of the trial, or its end. POST checks the verdict as in the queue and goes on.

    `after` in the address: comparisons judged so far.
    """
    judged = parse_after(request)
    comparisons = list_comparisons(dataset)
    page = reverse("try", args=[dataset.slug])
    if judged >= len(comparisons):
        if comparisons:
            mark_done(dataset, "try")
        return render(request, "annotate/trial_over.html", {"dataset": dataset, "judged": len(comparisons)})
    judgment = build_judgment(request.user, comparisons[judged])
    form = None
    if request.method == "POST":
        spec = build_spec(dataset, len(judgment.order), judgment.comparison.task)
        form = VerdictForm(dataset, spec, request.POST, judgment.order)
        if form.is_valid():
            return redirect(f"{page}?after={judged + 1}")
    context = build_comparison_context(judgment, form, "differences" in request.GET) | {
        "dataset": dataset,
        "is_trial": True,
        "number": judged + 1,
        "total": len(comparisons),
        "action": f"{page}?after={judged}",
        "guideline": render_text(dataset.guideline) if dataset.guideline else "",
        "criteria": render_criteria(dataset),
    }
    return render(request, "annotate/trial.html", context, status=422 if form else 200)


def list_comparisons(dataset: Dataset) -> list[Comparison]:
    """The comparisons of a trial: the first ones of the queue."""
    asked = Comparison.objects.filter(dataset=dataset, held="", task=Comparison.Task.JUDGE)
    return list(asked.select_related("prompt").order_by("priority", "pk")[:COMPARISONS])


def build_judgment(user: User, comparison: Comparison) -> Judgment:
    """An unsaved judgment of a comparison; its sides are drawn per person, the same each time."""
    ids = comparison.response_ids
    order = random.Random(f"{user.pk} {comparison.pk}").sample(ids, len(ids))
    return Judgment(pk=comparison.pk, comparison=comparison, dataset_id=comparison.dataset_id, order=order)

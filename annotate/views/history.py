"""A person's own judgments of a dataset, to review and change."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotate.comparison_context import build_comparison_context
from annotate.judging.question_spec import build_spec
from annotate.pauses import is_paused
from annotate.questions import STARS
from annotate.wording import Label, format_verdict
from datasets.db.turns import in_turn
from datasets.judgments import wording
from datasets.judgments.listing import assign_letters, list_page, parse_page_key
from datasets.judgments.spans import describe_spans
from datasets.models import Comparison, Dataset, Judgment
from datasets.views.access import UserRequest, annotator_required

PAGE_SIZE = 30
DONE_STATES = [*Judgment.STANDING, Judgment.State.SKIPPED]


def list_done(request: UserRequest, dataset: Dataset) -> QuerySet[Judgment]:
    """The person's own votes, skips and flags in a dataset, checks included."""
    judgments = Judgment.objects.filter(annotator=request.user, dataset=dataset, state__in=DONE_STATES)
    return judgments.filter(purpose__in=Judgment.WORK, decided_at__isnull=False)


@in_turn
@annotator_required
@never_cache
@require_safe
def history(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The person's judgments, newest first."""
    key = request.GET.get("before")
    try:
        before = parse_page_key(key) if key else None
    except (ValueError, OverflowError):
        raise BadRequest("before") from None
    page, older = list_page(list_done(request, dataset), before, PAGE_SIZE)
    context = {
        "dataset": dataset,
        "judgments": [(judgment, format_judgment(judgment)) for judgment in page],
        "older": older,
    }
    return render(request, "annotate/history.html", context)


@in_turn
@annotator_required
@never_cache
@require_safe
def judged(request: UserRequest, dataset: Dataset, pk: int) -> HttpResponse:
    """One judgment: the comparison as shown, and the answers given."""
    mine = list_done(request, dataset).select_related("comparison__prompt", "dataset")
    judgment = get_object_or_404(mine, pk=pk)
    context = build_comparison_context(judgment)
    context |= {"dataset": dataset, "words": format_judgment(judgment), "details": format_details(judgment)}
    context["spans"] = describe_spans([judgment], assign_letters(judgment.order), dataset.span_labels).get(judgment.pk)
    is_changeable = judgment.state == Judgment.State.SAVED and judgment.comparison.held != Comparison.CHAT
    context["can_change"] = is_changeable and not is_paused(request.user, dataset)
    return render(request, "annotate/judged.html", context)


def format_judgment(judgment: Judgment) -> Label:
    """The label of a judgment's verdict, flag or skip."""
    return format_verdict("flag" if judgment.flag else judgment.verdict)


def format_details(judgment: Judgment) -> list[tuple[str, str, Any]]:
    """The answers beside the verdict as (criterion or "", kind, value).

    The value is a label for the kind `verdict`, else [(letter, stars or place)].
    """
    spec = build_spec(judgment.dataset, len(judgment.order), judgment.comparison.task)
    parts: dict[str, Mapping[str, Any]] = {"": judgment.said, **judgment.said.get("criteria", {})}
    return [
        (
            criterion,
            kind,
            list(zip(wording.LETTERS, values, strict=False)) if kind != "verdict" else format_verdict(values[0]),
        )
        for criterion, part in parts.items()
        for kind, values in part.items()
        if spec.question and kind in (STARS, "rank", "verdict")
    ]

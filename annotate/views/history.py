"""One's own judgments of a dataset, to look at again and to change."""

from django.core.exceptions import BadRequest
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotate.comparison_context import build_comparison_context
from annotate.judging.question_spec import build_spec
from annotate.pauses import is_paused
from annotate.questions import STARS
from annotate.wording import format_verdict
from datasets.db.turns import in_turn
from datasets.judgments import wording
from datasets.judgments.listing import list_page, parse_page_key
from datasets.models import Judgment
from datasets.views.access import annotator_required

PAGE_SIZE = 30
DONE_STATES = [*Judgment.STANDING, Judgment.State.SKIPPED]


def list_done(request, dataset):
    judgments = Judgment.objects.filter(annotator=request.user, dataset=dataset, state__in=DONE_STATES)
    return judgments.filter(purpose__in=Judgment.WORK, decided_at__isnull=False)


@in_turn
@annotator_required
@never_cache
@require_safe
def history(request, dataset):
    """The list, newest first."""
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
def judged(request, dataset, pk):
    """One judgment as it was seen, and what was said."""
    mine = list_done(request, dataset).select_related("comparison__prompt", "dataset")
    judgment = get_object_or_404(mine, pk=pk)
    context = build_comparison_context(judgment)
    context |= {"dataset": dataset, "words": format_judgment(judgment), "details": format_details(judgment)}
    context["can_change"] = judgment.state == Judgment.State.SAVED and not is_paused(request.user, dataset)
    return render(request, "annotate/judged.html", context)


def format_judgment(judgment):
    return format_verdict("flag" if judgment.flag else judgment.verdict)


def format_details(judgment):
    """[(criterion or "", [(letter, stars or place)] or a verdict in words)] of what was said besides the verdict."""
    spec = build_spec(judgment.dataset, len(judgment.order), judgment.comparison.task)
    parts = {"": judgment.said, **judgment.said.get("criteria", {})}
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

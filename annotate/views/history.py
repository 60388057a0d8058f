"""One's own judgments of a dataset, to look at again and to change."""

from django.core.exceptions import BadRequest
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotate.judging.question_spec import asked_of
from annotate.labels import verdict_words
from annotate.pauses import is_paused
from annotate.questions import STARS
from annotate.showing import LETTERS, comparison_context
from datasets.db.turns import in_turn
from datasets.judgments.listing import page_of, read_key
from datasets.models import Judgment
from datasets.views.access import annotator_required

PAGE = 30
DONE = [*Judgment.STANDING, Judgment.State.SKIPPED]


def done_by(request, dataset):
    judgments = Judgment.objects.filter(annotator=request.user, dataset=dataset, state__in=DONE)
    return judgments.filter(purpose__in=Judgment.WORK, decided_at__isnull=False)


@in_turn
@annotator_required
@never_cache
@require_safe
def history(request, dataset):
    """The list, newest first."""
    key = request.GET.get("before")
    try:
        before = read_key(key) if key else None
    except (ValueError, OverflowError):
        raise BadRequest("before") from None
    page, older = page_of(done_by(request, dataset), before, PAGE)
    context = {"dataset": dataset, "judgments": [(judgment, in_words(judgment)) for judgment in page], "older": older}
    return render(request, "annotate/history.html", context)


@in_turn
@annotator_required
@never_cache
@require_safe
def judged(request, dataset, pk):
    """One judgment as it was seen, and what was said."""
    mine = done_by(request, dataset).select_related("comparison__prompt", "dataset")
    judgment = get_object_or_404(mine, pk=pk)
    context = comparison_context(judgment)
    context |= {"dataset": dataset, "words": in_words(judgment), "details": details(judgment)}
    context["can_change"] = judgment.state == Judgment.State.SAVED and not is_paused(request.user, dataset)
    return render(request, "annotate/judged.html", context)


def in_words(judgment):
    return verdict_words("flag" if judgment.flag else judgment.verdict)


def details(judgment):
    """[(criterion or "", [(letter, stars or place)] or a verdict in words)] of what was said besides the verdict."""
    asked = asked_of(judgment.dataset, len(judgment.order), judgment.comparison.task)
    parts = {"": judgment.said, **judgment.said.get("criteria", {})}
    return [
        (criterion, kind, list(zip(LETTERS, values, strict=False)) if kind != "verdict" else verdict_words(values[0]))
        for criterion, part in parts.items()
        for kind, values in part.items()
        if asked.question and kind in (STARS, "rank", "verdict")
    ]

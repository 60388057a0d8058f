"""The practice round as plain pages: a comparison, what is known of it, and in the end the result."""

from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotate import practice
from annotate.judging.forms import OfForm, VerdictForm
from annotate.labels import verdict_words
from annotate.questions import SKIP
from annotate.showing import LETTERS, comparison_context, criteria_of
from datasets.comparisons.gold import choices_of, is_right
from datasets.db.turns import in_turn
from datasets.models import Judgment
from datasets.text.rendered import render as render_text
from datasets.views.access import annotator_required


@in_turn
@annotator_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def practise(request, dataset):
    """The next comparison of the round, or its result. POST: a verdict, then what is known; or a further round."""
    if request.method == "POST" and "again" in request.POST:
        practice.begin_again(request.user, dataset)
        return redirect("practice", dataset.slug)
    if request.method == "POST":
        return answer(request, dataset)
    found = practice.round_of(request.user, dataset)
    if found is None:
        return redirect("annotate", dataset.slug)
    if found.is_over:
        return render(request, "annotate/practice_over.html", {"dataset": dataset, "round": found})
    return show(request, dataset, found, practice.before(request.user, found.next))


@in_turn
@annotator_required
@never_cache
@require_http_methods(["GET", "HEAD"])
def practised(request, dataset, pk):
    """What is known of a comparison, beside what this person said of it in practice."""
    mine = Judgment.objects.filter(annotator=request.user, dataset=dataset, purpose=practice.PRACTICE)
    mine = mine.filter(state__in=Judgment.STANDING, comparison__gold__for_practice=True)
    judgment = get_object_or_404(mine.select_related("comparison__gold", "dataset"), pk=pk)
    gold = judgment.comparison.gold
    right = is_right(gold, judgment.verdict, choices_of([pk]).get(pk, []))
    context = comparison_context(judgment) | {
        "dataset": dataset,
        "round": practice.round_of(request.user, dataset),
        "right": right,
        "said": verdict_words(judgment.verdict),
        "known": known_words(gold, judgment.order),
        "reason": render_text(gold.reason) if gold.reason else "",
    }
    return render(request, "annotate/practised.html", context)


def answer(request, dataset):
    of = OfForm(request.POST)
    mine = Judgment.objects.filter(annotator=request.user, dataset=dataset, purpose=practice.PRACTICE)
    judgment = get_object_or_404(
        mine.select_related("comparison", "dataset"), pk=of.cleaned_data["judgment"] if of.is_valid() else 0
    )
    form = VerdictForm(dataset, practice.asked_in_practice(judgment), request.POST)
    found = practice.round_of(request.user, dataset)
    if found is None:
        return redirect("annotate", dataset.slug)
    if not form.is_valid() or form.act.verdict == SKIP:
        return show(request, dataset, found, judgment, form, status=422)
    practice.answer(judgment, form.cleaned_data["revision"], form.act)
    return redirect("practised", dataset.slug, judgment.pk)


def show(request, dataset, found, judgment, form=None, status=200):
    """The comparison, as it will be in earnest but for what only the queue has a use for."""
    differing = "differences" in request.GET
    context = comparison_context(judgment, form, differing, practice.asked_in_practice(judgment)) | {
        "dataset": dataset,
        "round": found,
        "number": len(found.answered) + 1,
        "action": reverse("practice", args=[dataset.slug]),
        "stands": None,
        "keep": False,
        "flags": None,
        "guideline": render_text(dataset.guideline) if dataset.guideline else "",
        "criteria": criteria_of(dataset),
    }
    return render(request, "annotate/practice.html", context, status=status)


def known_words(gold, order):
    """What is known, in the letters of the page: which answer is best, or that none is."""
    if gold.verdict != "choice":
        return verdict_words(gold.verdict)
    letters = dict(zip(order, LETTERS, strict=False))
    best = {chosen for chosen, _r in gold.choices} - {rejected for _c, rejected in gold.choices}
    return ", ".join(sorted(letters[pk] for pk in best))

"""The reviewer's pages: a first impression, blind; then what others said, and the decision."""

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotate import reviewing
from annotate.judging.forms import OfForm, VerdictForm
from annotate.judging.question_spec import asked_about
from annotate.questions import SKIP
from annotate.showing import comparison_context, criteria_of
from datasets.comparisons import flags
from datasets.db.turns import in_turn
from datasets.judgments import listing, outcomes, wording
from datasets.models import Comparison, Judgment
from datasets.text.rendered import render as render_text
from datasets.views.access import reviewer_required

DECISION = Judgment.Purpose.DECISION


class FlagForm(OfForm):
    """What becomes of a flagged comparison."""

    decision = forms.ChoiceField(choices=[(name, name) for name in (flags.PUT_BACK, flags.LEAVE_OUT)])


@in_turn
@reviewer_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def review(request, dataset):
    """GET: what the reviewer has in hand. POST: the first impression, or the decision; then what follows."""
    if request.method != "POST":
        return show(request, dataset, reviewing.next_review(request.user, dataset))
    judgment = posted(request, dataset, OfForm(request.POST))
    form = VerdictForm(dataset, asked_about(judgment), request.POST)
    if not form.is_valid():
        held = reviewing.next_review(request.user, dataset)
        return show(request, dataset, held, form if held == judgment else None, status=422)
    act = reviewing.decide if judgment.purpose == DECISION else reviewing.give_impression
    return answer(request, dataset, judgment, act(judgment, form.cleaned_data["revision"], form.act))


@in_turn
@reviewer_required
@never_cache
@require_POST
def review_flagged(request, dataset):
    """Put a flagged comparison back, or leave it out."""
    form = FlagForm(request.POST)
    judgment = posted(request, dataset, form)
    said = form.cleaned_data
    return answer(request, dataset, judgment, reviewing.decide_flagged(judgment, said["revision"], said["decision"]))


@in_turn
@reviewer_required
@never_cache
def undo_review(request, dataset):
    if request.method == "POST":
        form = OfForm(request.POST)
        reviewing.undo_decision(posted(request, dataset, form), form.cleaned_data["revision"])
    return redirect("review", dataset.slug)


def posted(request, dataset, form):
    """The judgment of a form, one of the reviewer's own; 404 where it is none."""
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    mine = Judgment.objects.filter(annotator=request.user, dataset=dataset, purpose__in=Judgment.REVIEWS)
    return get_object_or_404(mine.select_related("comparison", "dataset"), pk=form.cleaned_data["judgment"])


def answer(request, dataset, judgment, changed):
    """To what follows; where nothing has changed, with a word."""
    judgment.refresh_from_db()
    if not changed and judgment.state in (Judgment.State.LEASED, Judgment.State.EXPIRED):
        messages.info(request, _("This was decided already, or somebody else has it now; nothing has changed."))
    return redirect("review", dataset.slug)


def show(request, dataset, judgment, form=None, status=200):
    """The whole page."""
    context = {
        "dataset": dataset,
        "judgment": judgment,
        "waiting": reviewing.waiting_words(request.user, dataset),
        "last_act": reviewing.last_decision(request.user, dataset),
        "guideline": render_text(dataset.guideline) if dataset.guideline else "",
        "criteria": criteria_of(dataset),
    }
    if judgment:
        context |= comparison_context(judgment, form, differing="differences" in request.GET)
        deciding = judgment.purpose == DECISION
        for button in context["minor"]:
            if button.value == SKIP:
                button.label = _("Leave it open") if deciding else _("No impression")
        context |= what_was_said(judgment) if deciding else {}
    return render(request, "annotate/review.html", context, status=status)


def what_was_said(judgment):
    """What a reviewer sees before deciding: the votes and flags, in the letters of this page; who said it is told by
    number only, as they judged, so that the answers are weighed and not the people."""
    there = Judgment.objects.visible().filter(comparison=judgment.comparison_id).order_by("decided_at", "pk")
    there = there.select_related("annotator")
    spoke = there.filter(purpose=Judgment.Purpose.VOTE)
    said = [*spoke.filter(state__in=Judgment.STANDING), *spoke.exclude(flag="")]
    own = list(there.filter(annotator=judgment.annotator_id, purpose=Judgment.Purpose.REVIEW))
    told = outcomes.letters_of(listing.described([*said, *own], judgment.order), judgment.order)
    letters, numbers = listing.letters_in(judgment.order), {}
    for one in told:
        key = one.pk if one.person.kind == listing.NOBODY else one.person.key
        one.number = numbers.setdefault(key, len(numbers) + 1)
        one.by_criteria = wording.by_criteria(one, letters, judgment.dataset.criteria)
        one.given = wording.reasons(one, judgment.dataset.chips)
    is_flagged = judgment.comparison.held == Comparison.FLAGGED
    seen = {"deciding": True, "said": told[: len(said)], "own": told[len(said) :][-1:], "is_flagged": is_flagged}
    return seen | ({"chips": None} if is_flagged else {})

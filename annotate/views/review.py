"""The reviewer's pages: a first impression, blind; then what others said, and the decision."""

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotate.comparison_context import build_comparison_context, render_criteria
from annotate.judging import decisions
from annotate.judging.forms import JudgmentForm, VerdictForm
from annotate.judging.question_spec import build_judgment_spec
from annotate.questions import SKIP
from datasets.comparisons import flags
from datasets.db.turns import in_turn
from datasets.judgments import listing, outcomes, wording
from datasets.models import Comparison, Judgment
from datasets.text.rendered import render as render_text
from datasets.views.access import reviewer_required

DECISION = Judgment.Purpose.DECISION


class FlagForm(JudgmentForm):
    """What becomes of a flagged comparison."""

    decision = forms.ChoiceField(choices=[(name, name) for name in (flags.PUT_BACK, flags.LEAVE_OUT)])


@in_turn
@reviewer_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def review(request, dataset):
    """GET: what the reviewer has in hand. POST: the first impression, or the decision; then what follows."""
    if request.method != "POST":
        return show(request, dataset, decisions.lease_next_review(request.user, dataset))
    judgment = find_posted_judgment(request, dataset, JudgmentForm(request.POST))
    form = VerdictForm(dataset, build_judgment_spec(judgment), request.POST)
    if not form.is_valid():
        current = decisions.lease_next_review(request.user, dataset)
        return show(request, dataset, current, form if current == judgment else None, status=422)
    save_act = decisions.decide if judgment.purpose == DECISION else decisions.save_impression
    changed = save_act(judgment, form.cleaned_data["revision"], form.submission)
    return redirect_to_review(request, dataset, judgment, changed)


@in_turn
@reviewer_required
@never_cache
@require_POST
def review_flagged(request, dataset):
    """Put a flagged comparison back, or leave it out."""
    form = FlagForm(request.POST)
    judgment = find_posted_judgment(request, dataset, form)
    decided = form.cleaned_data
    return redirect_to_review(
        request, dataset, judgment, decisions.decide_flagged(judgment, decided["revision"], decided["decision"])
    )


@in_turn
@reviewer_required
@never_cache
def undo_review(request, dataset):
    if request.method == "POST":
        form = JudgmentForm(request.POST)
        decisions.undo_decision(find_posted_judgment(request, dataset, form), form.cleaned_data["revision"])
    return redirect("review", dataset.slug)


def find_posted_judgment(request, dataset, form):
    """The judgment of a form, one of the reviewer's own; 404 where it is none."""
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    mine = Judgment.objects.filter(annotator=request.user, dataset=dataset, purpose__in=Judgment.REVIEWS)
    return get_object_or_404(mine.select_related("comparison", "dataset"), pk=form.cleaned_data["judgment"])


def redirect_to_review(request, dataset, judgment, changed):
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
        "waiting": decisions.format_waiting(request.user, dataset),
        "last_act": decisions.find_last_decision(request.user, dataset),
        "guideline": render_text(dataset.guideline) if dataset.guideline else "",
        "criteria": render_criteria(dataset),
    }
    if judgment:
        context |= build_comparison_context(judgment, form, differing="differences" in request.GET)
        deciding = judgment.purpose == DECISION
        for button in context["minor"]:
            if button.value == SKIP:
                button.label = _("Leave it open") if deciding else _("No impression")
        context |= build_votes_context(judgment) if deciding else {}
    return render(request, "annotate/review.html", context, status=status)


def build_votes_context(judgment):
    """What a reviewer sees before deciding: the votes and flags, in the letters of this page; who said it is told by
    number only, as they judged, so that the answers are weighed and not the people."""
    visible = Judgment.objects.visible().filter(comparison=judgment.comparison_id).order_by("decided_at", "pk")
    visible = visible.select_related("annotator")
    votes = visible.filter(purpose=Judgment.Purpose.VOTE)
    votes_and_flags = [*votes.filter(state__in=Judgment.STANDING), *votes.exclude(flag="")]
    own = list(visible.filter(annotator=judgment.annotator_id, purpose=Judgment.Purpose.REVIEW))
    rows = outcomes.attach_letters(listing.describe_judgments([*votes_and_flags, *own], judgment.order), judgment.order)
    letters, numbers = listing.assign_letters(judgment.order), {}
    for row in rows:
        key = row.pk if row.person.kind == listing.NOBODY else row.person.key
        row.number = numbers.setdefault(key, len(numbers) + 1)
        row.by_criteria = wording.format_criteria(row, letters, judgment.dataset.criteria)
        row.given = wording.format_reasons(row, judgment.dataset.chips)
    is_flagged = judgment.comparison.held == Comparison.FLAGGED
    context = {
        "deciding": True,
        "said": rows[: len(votes_and_flags)],
        "own": rows[len(votes_and_flags) :][-1:],
        "is_flagged": is_flagged,
    }
    return context | ({"chips": None} if is_flagged else {})

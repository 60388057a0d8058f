"""The reviewer's pages: a blind first impression, then the votes and the decision."""

from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotate.comparison_context import build_comparison_context, render_criteria
from annotate.judging import decisions
from annotate.judging.forms import JudgmentForm, VerdictForm
from annotate.judging.question_spec import build_judgment_spec
from annotate.questions import SKIP
from annotate.wording import CANNOT_REVIEW
from datasets.comparisons import flags
from datasets.db.turns import in_turn
from datasets.judgments import listing, outcomes, wording
from datasets.judgments.said import Said
from datasets.judgments.spans import DescribedSpan, describe_spans
from datasets.models import Comparison, Dataset, Judgment
from datasets.text.rendered import render as render_text
from datasets.views.access import UserRequest, dataset_admin_required, reviewer_required
from datasets.views.moved import posted_from

DECISION = Judgment.Purpose.DECISION


class FlagForm(JudgmentForm):
    """The decision on a flagged comparison."""

    decision = forms.ChoiceField(choices=[(name, name) for name in (flags.PUT_BACK, flags.LEAVE_OUT)])


class ChosenForm(forms.Form):
    """A comparison to decide."""

    comparison = forms.IntegerField(min_value=1, max_value=2**63 - 1)


@in_turn
@reviewer_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def review(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """GET: the reviewer's current comparison. POST: saves the first impression or the decision."""
    if request.method != "POST":
        return show(request, dataset, decisions.lease_next_review(request.user, dataset))
    judgment = find_posted_judgment(request, dataset, JudgmentForm(request.POST))
    form = VerdictForm(dataset, build_judgment_spec(judgment), request.POST, judgment.order)
    if not form.is_valid():
        current = decisions.lease_next_review(request.user, dataset)
        return show(request, dataset, current, form if current == judgment else None, status=422)
    save_act = decisions.decide if judgment.purpose == DECISION else decisions.save_impression
    changed = save_act(judgment, form.cleaned_data["revision"], form.submission)
    return redirect_to_review(request, dataset, judgment, changed)


@in_turn
@dataset_admin_required
@never_cache
@posted_from("flags", "slug")
def review_chosen(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Leases the review of the comparison of the form to this admin, and leads to it."""
    form = ChosenForm(request.POST)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    try:
        decisions.lease_chosen_review(request.user, dataset, form.cleaned_data["comparison"])
    except Comparison.DoesNotExist:
        raise Http404 from None
    except decisions.CannotReview as why:
        messages.error(request, str(CANNOT_REVIEW[why.reason]))
        return redirect("flags", dataset.slug)
    return redirect("review", dataset.slug)


@in_turn
@reviewer_required
@never_cache
@posted_from("review", "slug")
def review_flagged(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Puts a flagged comparison back or leaves it out."""
    form = FlagForm(request.POST)
    judgment = find_posted_judgment(request, dataset, form)
    decided = form.cleaned_data
    return redirect_to_review(
        request, dataset, judgment, decisions.decide_flagged(judgment, decided["revision"], decided["decision"])
    )


@in_turn
@reviewer_required
@never_cache
def undo_review(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Reopens the decision of the form."""
    if request.method == "POST":
        form = JudgmentForm(request.POST)
        decisions.undo_decision(find_posted_judgment(request, dataset, form), form.cleaned_data["revision"])
    return redirect("review", dataset.slug)


def find_posted_judgment(request: UserRequest, dataset: Dataset, form: JudgmentForm) -> Judgment:
    """The judgment of a form. Raises BadRequest for an invalid form, Http404 if it is not the reviewer's own."""
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    mine = Judgment.objects.filter(annotator=request.user, dataset=dataset, purpose__in=Judgment.REVIEWS)
    return get_object_or_404(mine.select_related("comparison", "dataset"), pk=form.cleaned_data["judgment"])


def redirect_to_review(request: UserRequest, dataset: Dataset, judgment: Judgment, changed: bool) -> HttpResponse:
    """Redirects to the next comparison, with a message if the act changed nothing."""
    judgment.refresh_from_db()
    if not changed and judgment.state in (Judgment.State.LEASED, Judgment.State.EXPIRED):
        messages.info(request, _("Already decided, or locked by another reviewer; nothing has changed."))
    return redirect("review", dataset.slug)


def show(
    request: UserRequest,
    dataset: Dataset,
    judgment: Judgment | None,
    form: VerdictForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The whole page."""
    context: dict[str, Any] = {
        "dataset": dataset,
        "judgment": judgment,
        "waiting": decisions.format_waiting(request.user, dataset),
        "last_act": decisions.find_last_decision(request.user, dataset),
        "guideline": render_text(dataset.guideline) if dataset.guideline else "",
        "criteria": render_criteria(dataset),
    }
    if judgment:
        deciding = judgment.purpose == DECISION
        impression = find_impression(judgment) if deciding else None
        context |= build_comparison_context(
            judgment, form, differing="differences" in request.GET, filled_in=copy_said(impression)
        )
        context["step"] = 2 if deciding else 1
        for button in context["buttons"]:
            button.is_default = impression is not None and button.value == impression.verdict
        for button in context["minor"]:
            if button.value == SKIP:
                button.label = _("Decide later") if deciding else _("No opinion")
        context |= build_votes_context(judgment) if deciding else {}
    return render(request, "annotate/review.html", context, status=status)


def find_impression(judgment: Judgment) -> Judgment | None:
    """The first impression that this reviewer gave of the same comparison, in the same order; None without one."""
    impressions = Judgment.objects.filter(
        comparison=judgment.comparison_id, annotator=judgment.annotator_id, purpose=Judgment.Purpose.REVIEW
    )
    impression = impressions.filter(state__in=Judgment.STANDING).order_by("-pk").first()
    return impression if impression and impression.order == judgment.order else None


def copy_said(impression: Judgment | None) -> Said | None:
    """The details of an impression, to fill in a decision; not the answers that it rewrote."""
    if impression is None:
        return None
    said = impression.said.copy()
    said.pop("repairs", None)
    return said


class ReviewedJudgment(NamedTuple):
    """A vote, flag or first impression as a reviewer sees it.

    number: of the person on this page, from 1.
    by_criteria: [(criterion, verdict in words)].
    """

    line: listing.DescribedJudgment
    number: int
    by_criteria: list[tuple[str, str]]
    reasons: list[str]
    spans: list[DescribedSpan]


def build_votes_context(judgment: Judgment) -> dict[str, Any]:
    """The votes and flags that a reviewer sees before deciding, in the letters of this page.

    People appear as numbers only, in the order in which they judged, so that reviewers weigh the responses and not the
    people.
    """
    visible = Judgment.objects.visible().filter(comparison=judgment.comparison_id).order_by("decided_at", "pk")
    visible = visible.select_related("annotator")
    votes = visible.filter(purpose=Judgment.Purpose.VOTE)
    votes_and_flags = [*votes.filter(state__in=Judgment.STANDING), *votes.exclude(flag="")]
    own = list(visible.filter(annotator=judgment.annotator_id, purpose=Judgment.Purpose.REVIEW))
    lines = listing.describe_judgments([*votes_and_flags, *own], judgment.order)
    lines = outcomes.attach_letters(lines, judgment.order)
    letters, rows = listing.assign_letters(judgment.order), []
    spans = describe_spans([*votes_and_flags, *own], letters, judgment.dataset.span_labels)
    numbers: dict[object, int] = {}
    for line in lines:
        key: object = line.judgment.pk if line.person.kind == listing.NOBODY else line.person.key
        number = numbers.setdefault(key, len(numbers) + 1)
        by_criteria = wording.format_criteria(line.judgment, letters, judgment.dataset.criteria)
        reasons = wording.format_reasons(line.judgment, judgment.dataset.chips)
        marked = spans.get(line.judgment.pk, [])
        rows.append(ReviewedJudgment(line, number, by_criteria, reasons, marked))
    is_flagged = judgment.comparison.held == Comparison.FLAGGED
    context: dict[str, Any] = {
        "deciding": True,
        "fell": outcomes.count_by_verdict(votes.filter(state__in=Judgment.STANDING), judgment.order),
        "said": rows[: len(votes_and_flags)],
        "own": rows[len(votes_and_flags) :][-1:],
        "is_flagged": is_flagged,
    }
    return context | ({"chips": None, "span_labels": None} if is_flagged else {})

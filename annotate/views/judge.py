"""The comparison page. Works as plain forms; static/judge.js requests JSON from the same URLs and prefetches
comparisons.
"""

import time
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotate.comparison_context import build_comparison_context, render_criteria
from annotate.judging import decisions
from annotate.judging.forms import JudgmentForm, LeasesForm, VerdictForm
from annotate.judging.question_spec import build_spec
from annotate.judging.record import find_last_act, save, undo
from annotate.models import Membership, User
from annotate.pauses import is_paused
from annotate.queue.fast_path import find_judgment
from annotate.queue.lease import is_practice_due, lease_next, release
from annotate.views.history import format_judgment
from datasets.audit.guidelines import find_unseen_change
from datasets.comparisons.review import has_review
from datasets.db.turns import in_turn
from datasets.judgments.progress import get_recent_progress
from datasets.models import Dataset, Judgment
from datasets.text.rendered import render as render_text
from datasets.views.access import UserRequest, annotator_required, signed_in

if TYPE_CHECKING:
    from datasets.text.rendered import StoredHtml

DATASETS_A_PAGE = 20


@signed_in
@require_safe
def home(request: UserRequest) -> HttpResponse:
    """The datasets open to the person, a page at a time by slug."""
    last_seen = request.GET.get("after", "")
    if "\0" in last_seen:
        raise BadRequest("after")
    datasets = Dataset.objects.current().open_to(request.user).filter(slug__gt=last_seen)
    page = list(datasets.order_by("slug")[:DATASETS_A_PAGE])
    context = {
        "datasets": [
            (
                dataset,
                get_recent_progress(dataset),
                count_judged(request.user, dataset),
                format_to_review(request.user, dataset),
            )
            for dataset in page
        ],
        "next": page[-1].slug if len(page) == DATASETS_A_PAGE else None,
    }
    return render(request, "annotate/home.html", context)


@in_turn
@annotator_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def annotate(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """GET: the current comparison, or "all done". POST: saves a verdict, then shows the next comparison."""
    if request.method != "POST":
        judgment = lease_next(request.user, dataset)
        if judgment is None and is_practice_due(request.user, dataset):
            return redirect("practice", dataset.slug)
        return show(request, dataset, judgment)
    judgment = find_posted_judgment(request, dataset)
    if judgment is None:
        return refuse_verdict(
            request, dataset, lease_next(request.user, dataset), _("This form is damaged. Judge again.")
        )
    form = VerdictForm(dataset, build_spec(dataset, len(judgment.order), judgment.comparison.task), request.POST)
    if not form.is_valid():
        current = judgment if judgment.state in Judgment.ANSWERABLE else lease_next(request.user, dataset)
        return refuse_verdict(request, dataset, current, form=form if current == judgment else None)
    submission = form.submission
    saved = save(judgment, form.cleaned_data["revision"], submission, form.spec, leasing="want" in request.POST)
    message = format_contradiction(judgment, form) if saved.changed else format_standing(judgment, submission.verdict)
    if is_json_requested(request):
        return JsonResponse(build_reply(request, dataset, message, saved.next, saved.judged, saved.stored_html))
    if message:
        messages.info(request, message)
    return redirect("annotate", dataset.slug)


@in_turn
@annotator_required
@never_cache
@require_POST
def prefetch(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """One more comparison for a browser that prefetches. POST `have`: ids of the judgments that it has."""
    have = [int(pk) for pk in request.POST.getlist("have")[:50] if pk.isdecimal() and len(pk) < 19]
    judgment = lease_next(request.user, dataset, have)
    answer = build_reply(request, dataset, "", judgment)
    if judgment is None and not have:
        answer["done"] = render_to_string(
            "annotate/_all_done.html", build_page_context(request, dataset, None), request
        )
    return JsonResponse(answer)


@in_turn
@annotator_required
@require_POST
def give_back(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Returns the prefetched leases of a browser that is being closed."""
    form = LeasesForm(request.POST)
    if form.is_valid():
        release(request.user, dataset, form.leases)
    return HttpResponse(status=204 if form.is_valid() else 422)


@in_turn
@annotator_required
@never_cache
def undo_last(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Reopens the judgment of the form."""
    if request.method != "POST":  # a POST after signing out returns from the sign-in as a GET
        return redirect("annotate", dataset.slug)
    form, message, reopened = JudgmentForm(request.POST), "", None
    if form.is_valid():
        judgment = get_work_or_404(request, dataset, form)
        was = judgment.state
        if undo(judgment, form.cleaned_data["revision"]):
            reopened = get_judgment_or_404(request, dataset, judgment.pk)
        elif was == Judgment.State.SKIPPED:
            message = _("Somebody else has the skipped comparison now.")
    if is_json_requested(request):
        answer = build_reply(request, dataset, message, reopened)
        answer["undo"] = find_undo_target(request, dataset)
        return JsonResponse(answer)
    if message:
        messages.info(request, message)
    return redirect("annotate", dataset.slug)


@in_turn
@annotator_required
@never_cache
@require_safe
def differences(request: UserRequest, dataset: Dataset, pk: int) -> HttpResponse:
    """The responses of a person's judgment with their differences marked word by word: {side: HTML}."""
    judgment = get_judgment_or_404(request, dataset, pk)
    context = build_comparison_context(judgment, differing=True)
    return JsonResponse({answer.side: answer.html for answer in context["answers"]})


@in_turn
@annotator_required
@require_safe
def guideline(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The dataset's guideline and criteria."""
    context = {"dataset": dataset, "guideline": render_text(dataset.guideline), "criteria": render_criteria(dataset)}
    context["changed"] = find_unseen_change(dataset, request.user)
    return render(request, "annotate/guideline.html", context)


def is_json_requested(request: HttpRequest) -> bool:
    """Whether static/judge.js sent the request."""
    return request.headers.get("Accept") == "application/json"


def get_judgment_or_404(request: UserRequest, dataset: Dataset, pk: int) -> Judgment:
    """The person's judgment with this id; raises Http404 if it is not theirs."""
    judgment = find_judgment(request.user, dataset, pk)
    if judgment is None:
        raise Http404
    return judgment


def get_work_or_404(request: UserRequest, dataset: Dataset, form: JudgmentForm) -> Judgment:
    """The judgment of a valid form; raises Http404 if it is not the person's own or is a review."""
    judgment = get_judgment_or_404(request, dataset, form.cleaned_data["judgment"])
    if judgment.purpose in Judgment.REVIEWS:
        raise Http404
    return judgment


def find_posted_judgment(request: UserRequest, dataset: Dataset) -> Judgment | None:
    """The judgment of the posted form; None if the form is invalid. Raises Http404 if it is not the person's own."""
    form = JudgmentForm(request.POST)
    return get_work_or_404(request, dataset, form) if form.is_valid() else None


def count_judged(user: User, dataset: Dataset) -> int:
    """The number of the person's standing verdicts."""
    return Membership.objects.filter(user=user, dataset=dataset).values_list("judged", flat=True).first() or 0


def format_to_review(user: User, dataset: Dataset) -> str | None:
    """The number of comparisons waiting for this reviewer; None for annotators and in datasets without reviews."""
    return decisions.format_waiting(user, dataset) if user.may_review and has_review(dataset) else None


def format_judged(n: int) -> str:
    return ngettext("%(n)s judged by you", "%(n)s judged by you", n) % {"n": n}


def format_standing(judgment: Judgment, verdict: str) -> str:
    """The message for a stale form whose verdict differs from the saved one; else ""."""
    judgment.refresh_from_db()
    if judgment.state in Judgment.ANSWERABLE and judgment.state != Judgment.State.REOPENED:
        return ""
    if verdict == (judgment.verdict or ("flag" if judgment.flag else "skip")):
        return ""
    return _("That one was saved before: %(verdict)s.") % {"verdict": format_judgment(judgment)}


def format_contradiction(judgment: Judgment, form: VerdictForm) -> str:
    """The warning that the saved stars contradict the verdict; else ""."""
    submission, spec = form.submission, form.spec
    is_verdict = spec.question and submission.verdict in spec.question.verdicts(form.dataset)
    if is_verdict and spec.is_contradicted(judgment.order, submission.verdict, submission.said):
        return _("Saved. The answer that you chose has fewer stars than the other: undo it if that was a slip.")
    return ""


def build_reply(
    request: UserRequest,
    dataset: Dataset,
    message: str,
    following: Judgment | None,
    judged: int | None = None,
    stored_html: "StoredHtml | None" = None,
) -> dict[str, Any]:
    """The JSON that an act returns to the script.

    following: the judgment of the next comparison, if any. judged: the person's standing verdicts, counted if None.
    stored_html: of `following`, if it was read already.
    """
    judged = count_judged(request.user, dataset) if judged is None else judged
    progress = get_recent_progress(dataset)
    answer: dict[str, Any] = {
        "judged": format_judged(judged),
        "done_of": [progress.done, progress.total],
        "told": message,
        "at": time.time(),
    }
    if following:
        assert following.lease_until is not None
        following.annotator, following.dataset = request.user, dataset
        context = {"dataset": dataset} | build_comparison_context(following, stored_html=stored_html)
        answer["next"] = render_to_string("annotate/_comparison.html", context)
        answer["lease"] = f"{following.pk} {following.lease_until.isoformat()}"
    return answer


def refuse_verdict(
    request: UserRequest,
    dataset: Dataset,
    judgment: Judgment | None,
    error: str | None = None,
    form: VerdictForm | None = None,
) -> HttpResponse:
    """The same comparison again with the errors, filled in as before."""
    errors = [error] if error else []
    if form is None and judgment is not None and not errors:
        errors = [_("This verdict is not asked for any more.")]
    if is_json_requested(request):
        context: dict[str, Any] = {"dataset": dataset, "errors": errors}
        if judgment:
            context |= build_comparison_context(judgment, form)
        html = render_to_string("annotate/_comparison.html", context) if judgment else None
        return JsonResponse({"again": html, "errors": context["errors"]}, status=422)
    for text in errors:
        messages.error(request, text)
    return show(request, dataset, judgment, form, status=422)


def find_undo_target(request: UserRequest, dataset: Dataset) -> dict[str, int] | None:
    """The judgment that the next undo would reopen, for the script."""
    act = find_last_act(request.user, dataset)
    return {"judgment": act.pk, "revision": act.revision} if act else None


def build_page_context(request: UserRequest, dataset: Dataset, judgment: Judgment | None) -> dict[str, Any]:
    """The context of the page around the comparison."""
    paused = is_paused(request.user, dataset)
    return {
        "dataset": dataset,
        "progress": get_recent_progress(dataset),
        "judged": format_judged(count_judged(request.user, dataset)),
        "paused": paused,
        "last_act": None if paused else find_last_act(request.user, dataset),
        "judgment": judgment,
        "changed": find_unseen_change(dataset, request.user),
        "guideline": render_text(dataset.guideline) if dataset.guideline else "",
        "criteria": render_criteria(dataset),
    }


def show(
    request: UserRequest,
    dataset: Dataset,
    judgment: Judgment | None,
    form: VerdictForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The whole page."""
    context = build_page_context(request, dataset, judgment)
    if judgment:
        context |= build_comparison_context(judgment, form, differing="differences" in request.GET)
    return render(request, "annotate/work.html", context, status=status)

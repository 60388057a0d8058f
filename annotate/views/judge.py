"""The comparison page. It works as plain forms; static/judge.js asks the same addresses for JSON, and keeps the next
comparisons ready."""

import time

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse, JsonResponse
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
from annotate.models import Membership
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
from datasets.views.access import annotator_required, signed_in

DATASETS_A_PAGE = 20


@signed_in
@require_safe
def home(request):
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
def annotate(request, dataset):
    """GET: the comparison in hand, or "all done". POST: one verdict, then the next comparison."""
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
        return JsonResponse(build_reply(request, dataset, message, saved.next, saved.judged))
    if message:
        messages.info(request, message)
    return redirect("annotate", dataset.slug)


@in_turn
@annotator_required
@never_cache
@require_POST
def prefetch(request, dataset):
    """One more comparison for a browser that keeps some ready; `have`: ids of the judgments that it has."""
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
def give_back(request, dataset):
    """A browser that is closed gives back what it kept ready."""
    form = LeasesForm(request.POST)
    if form.is_valid():
        release(request.user, dataset, form.leases)
    return HttpResponse(status=204 if form.is_valid() else 422)


@in_turn
@annotator_required
@never_cache
def undo_last(request, dataset):
    if request.method != "POST":  # who pressed it after signing out comes here from the sign-in
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
def differences(request, dataset, pk):
    """The answers of a judgment of one's own, where they differ marked word by word: {side: HTML}."""
    judgment = get_judgment_or_404(request, dataset, pk)
    context = build_comparison_context(judgment, differing=True)
    return JsonResponse({answer.side: answer.html for answer in context["answers"]})


@in_turn
@annotator_required
@require_safe
def guideline(request, dataset):
    context = {"dataset": dataset, "guideline": render_text(dataset.guideline), "criteria": render_criteria(dataset)}
    context["changed"] = find_unseen_change(dataset, request.user)
    return render(request, "annotate/guideline.html", context)


def is_json_requested(request):
    return request.headers.get("Accept") == "application/json"


def get_judgment_or_404(request, dataset, pk):
    """A judgment of whoever asks; 404 where it is not their own."""
    judgment = find_judgment(request.user, dataset, pk)
    if judgment is None:
        raise Http404
    return judgment


def get_work_or_404(request, dataset, form):
    """The judgment of a JudgmentForm; 404 where it is not their own, or does not come from the queue."""
    judgment = get_judgment_or_404(request, dataset, form.cleaned_data["judgment"])
    if judgment.purpose in Judgment.REVIEWS:
        raise Http404
    return judgment


def find_posted_judgment(request, dataset):
    """The judgment of the form; None where the form does not say. 404 where it is not the person's own."""
    form = JudgmentForm(request.POST)
    return get_work_or_404(request, dataset, form) if form.is_valid() else None


def count_judged(user, dataset):
    """How many verdicts of this person stand."""
    return Membership.objects.filter(user=user, dataset=dataset).values_list("judged", flat=True).first() or 0


def format_to_review(user, dataset):
    """How many comparisons wait for this reviewer, in words; None for others, and where nothing goes to reviewers."""
    return decisions.format_waiting(user, dataset) if user.may_review and has_review(dataset) else None


def format_judged(n):
    return ngettext("%(n)s judged by you", "%(n)s judged by you", n) % {"n": n}


def format_standing(judgment, verdict):
    """What to say where an old form said something else than what was saved."""
    judgment.refresh_from_db()
    if judgment.state in Judgment.ANSWERABLE and judgment.state != Judgment.State.REOPENED:
        return ""
    if verdict == (judgment.verdict or ("flag" if judgment.flag else "skip")):
        return ""
    return _("That one was saved before: %(verdict)s.") % {"verdict": format_judgment(judgment)}


def format_contradiction(judgment, form):
    """A word on what was saved, where there is one."""
    submission, spec = form.submission, form.spec
    is_verdict = spec.question and submission.verdict in spec.question.verdicts(form.dataset)
    if is_verdict and spec.is_contradicted(judgment.order, submission.verdict, submission.said):
        return _("Saved. The answer that you chose has fewer stars than the other: undo it if that was a slip.")
    return ""


def build_reply(request, dataset, message, following, judged=None):
    """What follows an act, for the script; `following`: the judgment of the next comparison, if there is one."""
    judged = count_judged(request.user, dataset) if judged is None else judged
    progress = get_recent_progress(dataset)
    answer = {"judged": format_judged(judged), "done_of": [progress.done, progress.total], "told": message}
    answer["at"] = time.time()
    if following:
        following.annotator, following.dataset = request.user, dataset
        context = {"dataset": dataset} | build_comparison_context(following)
        answer["next"] = render_to_string("annotate/_comparison.html", context)
        answer["lease"] = f"{following.pk} {following.lease_until.isoformat()}"
    return answer


def refuse_verdict(request, dataset, judgment, error=None, form=None):
    """The same comparison once more, with what is wrong; nothing that was filled in is lost."""
    errors = [error] if error else []
    if form is None and judgment is not None and not errors:
        errors = [_("This verdict is not asked for any more.")]
    if is_json_requested(request):
        context = {"dataset": dataset, "errors": errors}
        if judgment:
            context |= build_comparison_context(judgment, form)
        html = render_to_string("annotate/_comparison.html", context) if judgment else None
        return JsonResponse({"again": html, "errors": context["errors"]}, status=422)
    for text in errors:
        messages.error(request, text)
    return show(request, dataset, judgment, form, status=422)


def find_undo_target(request, dataset):
    """What undo would reopen next, for the script."""
    act = find_last_act(request.user, dataset)
    return act and {"judgment": act.pk, "revision": act.revision}


def build_page_context(request, dataset, judgment):
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


def show(request, dataset, judgment, form=None, status=200):
    """The whole page."""
    context = build_page_context(request, dataset, judgment)
    if judgment:
        context |= build_comparison_context(judgment, form, differing="differences" in request.GET)
    return render(request, "annotate/work.html", context, status=status)

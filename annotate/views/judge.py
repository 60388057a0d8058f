"""The comparison page. Works as plain forms; to htmx the same URLs answer with fragments: the next comparison, and
further ones out of band, kept ready in templates by static/ready.js.
"""

import time
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from annotate.comparison_context import build_comparison_context, render_criteria
from annotate.day import FEWEST, Day, fetch_day
from annotate.judging import decisions
from annotate.judging.forms import JudgmentForm, LeasesForm, VerdictForm
from annotate.judging.question_spec import build_spec
from annotate.judging.record import find_last_act, save, undo
from annotate.models import User
from annotate.pauses import is_paused
from annotate.questions import FLAG, SKIP
from annotate.queue.fast_path import find_judgment
from annotate.queue.lease import is_practice_due, lease_next, release
from annotate.views.history import format_judgment, list_latest
from datasets.audit.guidelines import find_unseen_change
from datasets.comparisons.review import has_review
from datasets.db.turns import in_turn
from datasets.judgments.listing import format_duration
from datasets.judgments.progress import get_recent_progress
from datasets.judgments.statistics import get_recent_share
from datasets.models import Dataset, Judgment
from datasets.text.rendered import render as render_text
from datasets.views.access import UserRequest, annotator_required, signed_in
from datasets.views.moved import posted_from

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
    open_datasets = Dataset.objects.current().exclude(state=Dataset.State.DRAFT).open_to(request.user)
    datasets = open_datasets.filter(slug__gt=last_seen)
    page = list(datasets.order_by("slug")[:DATASETS_A_PAGE])
    context = {
        "datasets": [
            (
                dataset,
                get_recent_share(dataset),
                fetch_day(request.user, dataset),
                format_to_review(request.user, dataset),
            )
            for dataset in page
        ],
        "first_open": next((dataset for dataset in page if dataset.state == Dataset.State.OPEN), None),
        "next": page[-1].slug if len(page) == DATASETS_A_PAGE else None,
    }
    return render(request, "annotate/home.html", context)


@in_turn
@annotator_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def annotate(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """GET: the current comparison, or "all done". POST: saves a verdict, then shows the next comparison.

    To htmx it is a fragment. A browser that keeps comparisons ready says how many more it takes: `ready`, 0 or 1.
    """
    if request.method != "POST":
        judgment = lease_next(request.user, dataset)
        if judgment is None and is_practice_due(request.user, dataset):
            return redirect("practice", dataset.slug)
        return show(request, dataset, judgment)
    judgment = find_posted_judgment(request, dataset)
    if judgment is None:
        return refuse_verdict(
            request, dataset, lease_next(request.user, dataset), _("The form is damaged. Please answer again.")
        )
    spec = build_spec(dataset, len(judgment.order), judgment.comparison.task)
    form = VerdictForm(dataset, spec, request.POST, judgment.order)
    if not form.is_valid():
        current = judgment if judgment.state in Judgment.ANSWERABLE else lease_next(request.user, dataset)
        return refuse_verdict(request, dataset, current, form=form if current == judgment else None)
    submission, ready = form.submission, request.POST.get("ready")
    saved = save(judgment, form.cleaned_data["revision"], submission, form.spec, leasing=ready == "1")
    message = format_contradiction(judgment, form) if saved.changed else format_standing(judgment, submission.verdict)
    if request.htmx:
        reply = build_reply(request, dataset, message, saved.day, falls=submission.verdict in (SKIP, FLAG))
        if ready is None:
            return show_fragment(request, reply, lease_next(request.user, dataset))
        return send_ahead(request, reply, saved.next, saved.stored_html)
    if message:
        messages.info(request, message)
    return redirect("annotate", dataset.slug)


@in_turn
@annotator_required
@never_cache
@posted_from("annotate", "slug")
def prefetch(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """One more comparison for a browser that keeps some ready, or that nothing is left.

    POST `have`: ids of the judgments that it has.
    """
    have = [int(pk) for pk in request.POST.getlist("have")[:50] if pk.isdecimal() and len(pk) < 19]
    judgment = lease_next(request.user, dataset, have)
    reply = build_reply(request, dataset)
    is_over = judgment is None and not have
    return show_fragment(request, reply, None) if is_over else send_ahead(request, reply, judgment)


@in_turn
@annotator_required
@posted_from("annotate", "slug")
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
            message = _("The skipped item is now assigned to another annotator.")
    if request.htmx:
        reply = build_reply(request, dataset, message, falls=True) | {"undo": True}
        reply |= build_undo_context(find_last_act(request.user, dataset))
        return show_fragment(request, reply, reopened) if reopened else send_ahead(request, reply)
    if message:
        messages.info(request, message)
    return redirect("annotate", dataset.slug)


@in_turn
@annotator_required
@never_cache
@require_safe
def differences(request: UserRequest, dataset: Dataset, pk: int) -> HttpResponse:
    """The responses of a person's judgment with their differences marked word by word, each out of band."""
    judgment = get_judgment_or_404(request, dataset, pk)
    return render(request, "annotate/_differences.html", build_comparison_context(judgment, differing=True))


@in_turn
@annotator_required
@require_safe
def guideline(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The dataset's guideline and criteria."""
    context = {"dataset": dataset, "guideline": render_text(dataset.guideline), "criteria": render_criteria(dataset)}
    context["changed"] = find_unseen_change(dataset, request.user)
    return render(request, "annotate/guideline.html", context)


def get_judgment_or_404(request: UserRequest, dataset: Dataset, pk: int) -> Judgment:
    """The person's judgment with this id; raises Http404 if it is not theirs."""
    judgment = find_judgment(request.user, dataset, pk)
    if judgment is None:
        raise Http404
    return judgment


def get_work_or_404(request: UserRequest, dataset: Dataset, form: JudgmentForm) -> Judgment:
    """The judgment of a valid form; raises Http404 if it is not the person's own, or is a review or practice."""
    judgment = get_judgment_or_404(request, dataset, form.cleaned_data["judgment"])
    if judgment.purpose not in Judgment.WORK:
        raise Http404
    return judgment


def find_posted_judgment(request: UserRequest, dataset: Dataset) -> Judgment | None:
    """The judgment of the posted form; None if the form is invalid. Raises Http404 if it is not the person's own."""
    form = JudgmentForm(request.POST)
    return get_work_or_404(request, dataset, form) if form.is_valid() else None


def count_judged(user: User, dataset: Dataset) -> int:
    """The number of the person's standing verdicts."""
    return fetch_day(user, dataset).judged


def format_to_review(user: User, dataset: Dataset) -> str | None:
    """The number of comparisons waiting for this reviewer; None for annotators and in datasets without reviews."""
    return decisions.format_waiting(user, dataset) if user.may_review and has_review(dataset) else None


def format_judged(n: int) -> str:
    return ngettext("You: %(n)s", "You: %(n)s", n) % {"n": intcomma(n)}


def format_day(day: Day) -> str:
    """What a person did today in words: how many, and from FEWEST on how fast."""
    n = day.today
    today = ngettext("You: %(n)s today", "You: %(n)s today", n) % {"n": intcomma(n)}
    if day.pace is None or n < FEWEST:
        return today
    each = _("%(time)s each") % {"time": format_duration(day.pace)}
    return f"{today} · {each}"


def format_standing(judgment: Judgment, verdict: str) -> str:
    """The message for a stale form whose verdict differs from the saved one; else ""."""
    judgment.refresh_from_db()
    if judgment.state in Judgment.ANSWERABLE and judgment.state != Judgment.State.REOPENED:
        return ""
    if verdict == (judgment.verdict or ("flag" if judgment.flag else "skip")):
        return ""
    return _("Already saved: %(verdict)s.") % {"verdict": format_judgment(judgment)}


def format_contradiction(judgment: Judgment, form: VerdictForm) -> str:
    """The warning that the saved stars contradict the verdict; else ""."""
    submission, spec = form.submission, form.spec
    is_verdict = spec.question and submission.verdict in spec.question.verdicts(form.dataset)
    if is_verdict and spec.is_contradicted(judgment.order, submission.verdict, submission.said):
        return _("Saved. The chosen answer has fewer stars than the other: undo if that was a slip.")
    return ""


def build_reply(
    request: UserRequest, dataset: Dataset, message: str = "", day: Day | None = None, falls: bool = False
) -> dict[str, Any]:
    """The context of the parts that every fragment brings out of band: the header's numbers and a message.

    day: of the person, read if None. falls: whether the act may have reduced their verdicts.
    """
    day = day or fetch_day(request.user, dataset)
    return {
        "dataset": dataset,
        "progress": get_recent_progress(dataset),
        "share": get_recent_share(dataset),
        "judged": format_day(day),
        "count": day.judged,
        "falls": falls,
        "at": time.time(),
        "message": message,
        "csrf_token": get_token(request),
    }


def show_fragment(request: UserRequest, reply: dict[str, Any], judgment: Judgment | None) -> HttpResponse:
    """What htmx puts into the page: the comparison, or that nothing is left."""
    dataset = reply["dataset"]
    if judgment is None:
        done = render_to_string("annotate/_all_done.html", build_page_context(request, dataset, None), request)
        return HttpResponse(done + render_to_string("annotate/_reply.html", reply))
    context = reply | build_fragment_context(request, dataset, judgment)
    return HttpResponse(render_to_string("annotate/_fragment.html", context))


def send_ahead(
    request: UserRequest,
    reply: dict[str, Any],
    judgment: Judgment | None = None,
    stored_html: "StoredHtml | None" = None,
) -> HttpResponse:
    """What htmx keeps ready: the comparison, if any, in an inert template. The page stays as it is."""
    if judgment:
        reply |= build_fragment_context(request, reply["dataset"], judgment, stored_html=stored_html)
    return HttpResponse(render_to_string("annotate/_ahead.html", reply), headers={"HX-Reswap": "none"})


def build_fragment_context(
    request: UserRequest,
    dataset: Dataset,
    judgment: Judgment,
    form: VerdictForm | None = None,
    stored_html: "StoredHtml | None" = None,
) -> dict[str, Any]:
    """The context of a comparison that is sent alone."""
    judgment.annotator, judgment.dataset = request.user, dataset
    return build_comparison_context(judgment, form, stored_html=stored_html)


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
        errors = [_("This verdict is no longer available.")]
    if request.htmx and judgment:
        context = build_reply(request, dataset) | {"errors": errors}
        context |= build_fragment_context(request, dataset, judgment, form)
        return HttpResponse(render_to_string("annotate/_fragment.html", context), status=422)
    if request.htmx:
        answer = send_ahead(request, build_reply(request, dataset, " ".join(errors)))
        answer.status_code = 422
        return answer
    for text in errors:
        messages.error(request, text)
    return show(request, dataset, judgment, form, status=422)


def build_page_context(request: UserRequest, dataset: Dataset, judgment: Judgment | None) -> dict[str, Any]:
    """The context of the page around the comparison."""
    paused = is_paused(request.user, dataset)
    return {
        "dataset": dataset,
        "progress": get_recent_progress(dataset),
        "share": get_recent_share(dataset),
        "judged": format_day(fetch_day(request.user, dataset)),
        "paused": paused,
        "past": list_latest(request.user, dataset),
        "practice_due": judgment is None and is_practice_due(request.user, dataset),
        "judgment": judgment,
        "changed": find_unseen_change(dataset, request.user),
        "guideline": render_text(dataset.guideline) if dataset.guideline else "",
        "criteria": render_criteria(dataset),
        **build_undo_context(None if paused else find_last_act(request.user, dataset)),
    }


def build_undo_context(last_act: Judgment | None) -> dict[str, Any]:
    """What undo would reopen, and its verdict in words."""
    return {"last_act": last_act, "last_words": format_judgment(last_act) if last_act else ""}


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

"""The policy of a dataset: its settings, how the bot would answer, and what that is worth by people's choices."""

from collections import defaultdict
from typing import Any

from django.contrib import messages
from django.db.models import Count, OuterRef, Subquery, Sum
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from datasets import reasons as dataset_reasons
from datasets.jobs import worker
from datasets.models import Choice, Dataset, Job
from datasets.text.rendered import list_rendered_responses
from datasets.views.access import UserRequest, dataset_admin_required
from optimize import reasons
from optimize.forms import PicksForm, PolicyForm
from optimize.models import Pick, PolicySettings
from optimize.policy.settings import KIND, NoAnswer, find_policy, list_versions

PICKS_A_PAGE = 20


@dataset_admin_required
@never_cache
def policy_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """How the bot would answer. POST `act`: `save` stores the settings, `try` answers prompts in the background."""
    job = dataset.jobs.filter(kind=KIND).order_by("-pk").first()
    if job and worker.is_abandoned(job):
        worker.wake()
    if request.htmx:
        is_open = job is not None and job.is_open
        answer = render(request, "optimize/_policy_progress.html", {"job": job, "dataset": dataset})
        if not is_open:
            answer["HX-Refresh"] = "true"
        return answer
    policy = find_policy(dataset)
    if request.method == "POST" and request.POST.get("act") == "try":
        return start_trial(request, dataset, policy, job)
    form = PolicyForm(request.POST or None, instance=policy)
    if request.method == "POST" and form.is_valid():
        form.save_by(request.user)
        messages.success(request, _("Policy saved."))
        return redirect("policy", dataset.slug)
    return show_policy(request, dataset, form, job)


def start_trial(request: UserRequest, dataset: Dataset, policy: PolicySettings, job: Job | None) -> HttpResponse:
    """Starts the task that answers prompts, unless one is running."""
    form = PicksForm(request.POST)
    if not form.is_valid():
        return show_policy(request, dataset, PolicyForm(instance=policy), job, form)
    try:
        list_versions(policy)
    except NoAnswer as why:
        messages.error(request, reasons.explain_policy_failure(why.reason))
        return redirect("policy", dataset.slug)
    if job is None or not job.is_open:
        worker.start(KIND, request.user, dataset, prompts=form.cleaned_data["prompts"])
    return redirect("policy", dataset.slug)


def show_policy(
    request: UserRequest, dataset: Dataset, form: PolicyForm, job: Job | None, picks_form: PicksForm | None = None
) -> HttpResponse:
    """The page, with the numbers of the last trial that was done."""
    done = dataset.jobs.filter(kind=KIND, state=Job.State.DONE).order_by("-pk").first()
    numbers = done.result if done else {}
    picks = Pick.objects.filter(dataset=dataset, comparison=None)
    after = request.GET.get("after", "")
    page = picks.filter(pk__gt=int(after)) if after.isdecimal() and len(after) < 19 else picks
    rows = list(page.select_related("prompt").order_by("pk")[:PICKS_A_PAGE])
    errors = form.errors or (picks_form is not None and picks_form.errors)
    context = {
        "dataset": dataset,
        "form": form,
        "picks_form": picks_form or PicksForm(),
        "job": job,
        "error": dataset_reasons.JOB.get(job.error, job.error) if job else "",
        "numbers": numbers,
        "picker": reasons.PICKERS.get(numbers.get("picker", ""), ""),
        "why": reasons.WHY_PICKER.get(numbers.get("why", ""), ""),
        "accuracy": numbers.get("accuracy", []),
        "value": next((row for row in reversed(numbers.get("values", [])) if row["n"] <= numbers["n"]), None),
        "picks": describe_picks(rows),
        "next": rows[-1].pk if len(rows) == PICKS_A_PAGE else None,
        "tags": count_by_tag(dataset),
        "changed": picks.exclude(before=None).count(),
        "live": count_live(dataset),
    }
    return render(request, "optimize/policy.html", context, status=422 if errors else 200)


def describe_picks(picks: list[Pick]) -> list[dict[str, Any]]:
    """Picks with the texts of their answers as HTML."""
    ids = {pk for pick in picks for pk in (pick.first_id, pick.pick_id, pick.before_id) if pk}
    html = {response.pk: response.html for response in list_rendered_responses(sorted(ids))}
    return [
        {
            "pick": pick,
            "first": html[pick.first_id],
            "chosen": html[pick.pick_id] if pick.pick_id != pick.first_id else "",
            "before": html[pick.before_id] if pick.before_id else "",
        }
        for pick in picks
    ]


def count_by_tag(dataset: Dataset) -> list[dict[str, Any]]:
    """Of each tag: prompts, how many are covered, and in how many the pick replaces the first answer."""
    counts: dict[str, dict[str, Any]] = defaultdict(lambda: {"prompts": 0, "covered": 0, "replaced": 0})
    rows = Pick.objects.filter(dataset=dataset, comparison=None)
    for tags, covered, first, pick in rows.values_list("prompt__tags", "covered", "first", "pick").iterator():
        for tag in tags:
            counts[tag]["prompts"] += 1
            counts[tag]["covered"] += covered
            counts[tag]["replaced"] += first != pick
    return [{"tag": tag, **counted} for tag, counted in sorted(counts.items())]


def count_live(dataset: Dataset) -> dict[str, int]:
    """Of the requests from outside that people judged: how often they chose the pick, and the first answer."""
    live = Pick.objects.filter(dataset=dataset).exclude(comparison=None)
    choices = Choice.objects.of_votes().filter(criterion="", strength__gt=0)
    choices = choices.filter(judgment__comparison=OuterRef("comparison")).order_by()

    def count(chosen: str, rejected: str) -> int:
        stated = choices.filter(chosen=OuterRef(chosen), rejected=OuterRef(rejected))
        per_pick = stated.values("judgment__comparison").annotate(times=Count("pk")).values("times")
        return live.annotate(times=Subquery(per_pick)).aggregate(total=Sum("times"))["total"] or 0

    return {"asked": live.count(), "won": count("pick", "first"), "lost": count("first", "pick")}

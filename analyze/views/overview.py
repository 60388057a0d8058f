"""The overview of a dataset: what to do next, how far it is, what people chose."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.timezone import get_current_timezone_name
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analyze import attention, summary
from analyze.counted import Counted, count_days
from analyze.latest_report import fetch_numbers
from analyze.models import Report
from analyze.views.report import find_status, render_page
from annotate.checklist import build_checklist
from annotate.hours import sum_hours
from annotate.views.people import find_invitation
from datasets.judgments import listing, progress, statistics
from datasets.models import Dataset
from datasets.views.access import UserRequest, dataset_admin_required

MOST_CHOSEN = 10
PARTS = ("agreement", "annotators")  # of the report


@dataset_admin_required
@never_cache
@require_safe
def dataset_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The checklist of a draft, else progress, effort, agreement, what needs attention, and what people chose."""
    if dataset.state == Dataset.State.DRAFT:
        return show_draft(request, dataset)
    status = find_status(request, dataset)
    if status is None:
        return HttpResponse(status=204)
    counted = Counted(dataset)
    context = describe_progress(dataset, counted) | describe_report(dataset, status.report, counted)
    most_chosen = counted.get("most-chosen", lambda: progress.list_most_chosen_ids(dataset, MOST_CHOSEN), list[int])
    context |= {
        "most_chosen": progress.list_with_counts(most_chosen),
        "sources": counted.get("sources", lambda: progress.count_by_source(dataset), list[progress.SourceCounts]),
        "counted_at": counted.made_at,
    }
    return render_page(request, dataset, "datasets/dataset.html", status, context)


def show_draft(request: UserRequest, dataset: Dataset) -> HttpResponse:
    steps = build_checklist(dataset)
    context = {
        "dataset": dataset,
        "steps": steps,
        "next": next((step for step in steps if not step.is_done), None),
        "progress": progress.count_progress(dataset),
        "invitation": find_invitation(request),
    }
    return render(request, "datasets/draft.html", context)


def describe_progress(dataset: Dataset, counted: Counted) -> dict[str, Any]:
    """How much is judged, by whom, how fast, and what it costs."""
    days = count_days(counted)
    verdicts = counted.get("verdicts", lambda: progress.count_verdicts(dataset), dict[str, int])
    shares = statistics.compute_verdict_shares(verdicts)
    missing = counted.get("missing", lambda: statistics.count_missing(dataset), int)
    zone = get_current_timezone_name()
    recent = counted.get(f"latest-{zone}", lambda: statistics.list_latest_totals(dataset, days), list[int])
    pace = statistics.estimate_pace(missing, recent)
    hours = counted.get("hours", lambda: sum_hours(dataset), float)
    effort = statistics.compute_effort(dataset, hours, missing)
    busiest = counted.get("busiest", lambda: statistics.list_busiest(dataset), list[tuple[listing.Person, int]])
    rate, done = dataset.hourly_rate, statistics.compute_share_done(shares["choice"].whole, missing)
    return {
        "progress": counted.get("progress", lambda: progress.count_progress(dataset), progress.Progress),
        "votes": done.part,
        "wanted": done.whole,
        "verdicts": [(kind, listing.VERDICTS[kind][0], share) for kind, share in shares.items()],
        "pace": pace,
        "effort": effort,
        "median": listing.format_duration(effort.median),
        "cost": None if rate is None else effort.hours * rate,
        "more_cost": None if rate is None or effort.remaining is None else effort.remaining * rate,
        "days": list(zip(days.dates, days.totals, strict=True)),
        "days_total": sum(days.totals),
        "most": max(days.totals, default=0),
        "people": [(person, n, days.people.get(person.pk or 0)) for person, n in busiest],
        "most_of_a_person": max((n for ns in days.people.values() for n in ns), default=0),
    }


def describe_report(dataset: Dataset, report: Report | None, counted: Counted) -> dict[str, Any]:
    """Agreement, accuracy on gold questions, and what needs attention, by the stored report."""
    numbers = fetch_numbers(report, *PARTS) if report else {}
    right, tried = attention.compute_gold_accuracy(numbers)
    return {
        "agreement": numbers.get("agreement"),
        "usual": summary.find_usual_band(numbers.get("agreement")),
        "gold": statistics.Share(right, tried),
        "attention": attention.list_people(dataset, numbers, counted),
        "waiting": attention.list_waiting(dataset),
    }

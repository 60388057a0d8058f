"""The judgments of a dataset: the list, each judgment, a person's record, and the progress over time."""

import datetime
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.shortcuts import render as render_template
from django.views.decorators.http import require_safe

from datasets.comparisons import flags
from datasets.comparisons.gold import can_become_gold
from datasets.judgments import listing, outcomes, statistics, wording
from datasets.judgments.pauses import list_paused_ids
from datasets.judgments.progress import count_progress, count_verdicts
from datasets.models import Dataset, Judgment
from datasets.text.rendered import fill_prompt
from datasets.views.access import UserRequest, dataset_admin_required

RECORD_A_PAGE = 25
OTHERS_SHOWN = 200


@dataset_admin_required
@require_safe
def judgment_list(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The votes and skips, newest first, with filters."""
    form = listing.JudgmentFilter(dataset, request.GET)
    context: dict[str, Any] = {"form": form, "filtered": any(request.GET.get(name) for name in form.fields)}
    if form.is_valid():
        page, older = listing.list_page(form.apply(listing.list_votes_and_skips(dataset)), parse_before(request))
        context |= {"judgments": listing.describe_judgments(page)} | build_links(request, "before", older)
    return render_page(request, dataset, "judgments", context, status=200 if form.is_valid() else 422)


@dataset_admin_required
@require_safe
def judgment_page(request: UserRequest, dataset: Dataset, pk: int) -> HttpResponse:
    """A judgment as its annotator saw it, and the other judgments of the same comparison."""
    judgments = listing.annotate_speed(Judgment.objects.visible().filter(dataset=dataset).select_related("annotator"))
    judgment = get_object_or_404(judgments.select_related("comparison__prompt"), pk=pk)
    others = (
        judgments.filter(comparison=judgment.comparison_id).exclude(pk=pk).order_by("decided_at", "pk")[:OTHERS_SHOWN]
    )
    answers, lines = outcomes.list_answers(judgment), listing.describe_judgments(others, judgment.order)
    context = {
        "judgment": judgment,
        "line": listing.describe_judgments([judgment])[0],
        "strength": wording.parse_strength(judgment.verdict),
        "criteria": wording.format_criteria(judgment, listing.assign_letters(judgment.order), dataset.criteria),
        "reasons": wording.format_reasons(judgment, dataset.chips),
        "prompt": fill_prompt(judgment.comparison.prompt).html,
        "answers": answers[: len(judgment.order)],
        "written": answers[len(judgment.order) :],
        "others": outcomes.attach_letters(lines, judgment.order),
        "decision": next((line for line in lines if line.decides), None),
        "can_be_gold": can_become_gold(judgment),
    }
    return render_page(request, dataset, "judgment", context)


@dataset_admin_required
@require_safe
def record_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The choices of one person, or of everybody."""
    person = parse_person(request, "person")
    votes = Judgment.objects.votes().filter(dataset=dataset, decided_at__isnull=False)
    theirs = votes.filter(listing.build_people_condition(person)) if person else votes
    page, older = listing.list_page(theirs, parse_before(request), RECORD_A_PAGE)
    context = {
        "person": person,
        "numbers": statistics.compute_numbers(dataset, [person])[0] if person else None,
        "record": outcomes.build_record(listing.describe_judgments(page)),
    }
    return render_page(request, dataset, "record", context | build_links(request, "before", older))


@dataset_admin_required
@require_safe
def follow_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Progress, verdicts, agreement, pace, and judgments by day and person."""
    days, shares = statistics.count_by_day(dataset), statistics.compute_verdict_shares(count_verdicts(dataset))
    context = {
        "progress": count_progress(dataset),
        "votes": shares["choice"].whole,
        "verdicts": [(kind, listing.VERDICTS[kind][0], share) for kind, share in shares.items()],
        "agreement": statistics.compute_agreement(dataset),
        "pace": statistics.estimate_pace(dataset, days),
        "days": list(zip(days.dates, days.totals, strict=True)),
        "most": max(days.totals, default=0),
        "people": [(person, n, days.people.get(person.pk or 0)) for person, n in statistics.list_busiest(dataset)],
        "most_of_a_person": max((n for ns in days.people.values() for n in ns), default=0),
    }
    return render_page(request, dataset, "follow", context)


def render_page(
    request: HttpRequest, dataset: Dataset, name: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """A page about a dataset, with the context that all of them share: flagged comparisons and paused annotators.

    name: of the template, without folder and suffix.
    """
    context |= {"dataset": dataset, "flags": flags.count_held(dataset), "paused": list_paused_ids(dataset)}
    return render_template(request, f"datasets/{name}.html", context, status=status)


def parse_before(request: HttpRequest) -> tuple[datetime.datetime, int] | None:
    """The (time, id) before which the page starts; None for the first page."""
    key = request.GET.get("before")
    try:
        return listing.parse_page_key(key) if key else None
    except (ValueError, OverflowError):
        raise BadRequest("before") from None


def parse_person(request: HttpRequest, name: str) -> listing.Person | None:
    """The person in a query parameter; None if it is empty. Raises BadRequest for an unknown person."""
    token = request.GET.get(name)
    person = listing.find_person(token) if token else None
    if token and person is None:
        raise BadRequest(name)
    return person


def build_links(request: HttpRequest, name: str, key: str | None) -> dict[str, str | None]:
    """Query strings of other pages of a list: `more` is the next page, `first` the first one; None without such a page.

    name: the query parameter that holds the key.
    key: where the next page starts; None on the last page.
    """
    query = request.GET.copy()
    previous = query.pop(name, None)
    first = query.urlencode()
    query[name] = key or ""
    return {"more": query.urlencode() if key else None, "first": first if previous else None}

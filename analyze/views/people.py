"""The admins' page on annotators: how each one judges, by the report; those who need a look first."""

from typing import Any

from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analyze.latest_report import fetch_numbers
from analyze.models import Report
from analyze.shapes import PersonLine
from analyze.views.report import find_status, render_page
from datasets.judgments import listing, statistics
from datasets.models import Dataset
from datasets.text.reading_time import WORDS_A_SECOND
from datasets.views.access import UserRequest, dataset_admin_required
from datasets.views.judgments import build_links, parse_person

PEOPLE_A_PAGE = 50
WEEK = 7


@dataset_admin_required
@never_cache
@require_safe
def annotator_list(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The annotators, with their numbers, one page of them."""
    after = parse_person(request, "after")
    status = find_status(request, dataset)
    if status is None:
        return HttpResponse(status=204)
    lines = map_lines(status.report)
    people = list_people_after(dataset, lines, after)
    more = people[PEOPLE_A_PAGE - 1].token if len(people) > PEOPLE_A_PAGE else None
    context: dict[str, Any] = {
        "here": "annotators",
        "people": [
            (numbers, lines.get(numbers.person))
            for numbers in statistics.compute_numbers(dataset, people[:PEOPLE_A_PAGE])
        ],
        "read_a_second": WORDS_A_SECOND,
    }
    context |= count_last_week(dataset) | build_links(request, "after", more)
    return render_page(request, dataset, "datasets/annotators.html", status, context)


def map_lines(report: Report | None) -> dict[listing.Person, PersonLine]:
    """{person: line} of a report's annotators, those who need a look first."""
    lines: list[PersonLine] = fetch_numbers(report, "annotators")["annotators"] or []
    names = [line["annotator"] for line in lines if line["kind"] == listing.ACCOUNT]
    accounts = dict(get_user_model().objects.filter(username__in=names).values_list("username", "pk"))
    people = [
        listing.Person(line["kind"], line["annotator"], accounts.get(line["annotator"]))
        if line["kind"] == listing.ACCOUNT
        else listing.Person(line["kind"], line["annotator"])
        for line in lines
    ]
    pairs = zip(people, lines, strict=True)
    return {person: line for person, line in pairs if person.pk or person.kind == listing.IMPORTED}


def list_people_after(
    dataset: Dataset, lines: dict[listing.Person, PersonLine], after: listing.Person | None
) -> list[listing.Person]:
    """The people of a page and one more: those in the report in its order, then the others by name.

    after: the last person of the previous page.
    """
    known = list(lines)
    place = known.index(after) + 1 if after in lines else 0 if after is None else len(known)
    people = known[place : place + PEOPLE_A_PAGE + 1]
    if len(people) <= PEOPLE_A_PAGE:
        others = listing.list_people(dataset, None if after in lines else after, listing.NAMES_OFFERED)
        people += [person for person in others if person not in lines]
    return people[: PEOPLE_A_PAGE + 1]


def count_last_week(dataset: Dataset) -> dict[str, Any]:
    """{"week": {account id: judgments on each of the last seven days}, "most_of_a_person": the most on one day}"""
    days = statistics.count_by_day(dataset)
    if not days.dates or days.dates[-1] != timezone.localdate():
        return {"week": {}, "most_of_a_person": 0}
    week = {account: per_day[-WEEK:] for account, per_day in days.people.items() if any(per_day[-WEEK:])}
    return {"week": week, "most_of_a_person": max((n for per_day in week.values() for n in per_day), default=0)}

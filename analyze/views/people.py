"""The admins' page on annotators: how each one judges, by the report; those who need a look first."""

from functools import partial
from operator import itemgetter
from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from analyze.counted import Counted, count_days, count_numbers
from analyze.latest_report import fetch_numbers
from analyze.models import Report
from analyze.shapes import PersonLine, RateName
from analyze.views.report import find_status, render_page
from annotate.practice import list_qualifications
from annotate.views.people import find_invitation
from datasets.audit.dataset_state import mark_done
from datasets.forms import AnnotatorsForm
from datasets.judgments import listing
from datasets.models import Dataset
from datasets.text.reading_time import WORDS_A_SECOND
from datasets.views.access import UserRequest, dataset_admin_required
from datasets.views.judgments import build_links, parse_person
from datasets.views.sorting import Keys, parse_sort, sort_rows

PEOPLE_A_PAGE = 50
WEEK = 7
RATES: tuple[RateName, ...] = (
    "gold",
    "self_consistency",
    "agreement",
    "left_share",
    "longer_share",
    "seconds_per_100_words",
)


def get_rate(name: RateName, line: PersonLine) -> float | None:
    return line[name]["value"]


SORTED_BY: Keys = {
    "annotator": itemgetter("annotator"),
    "judgments": itemgetter("judgments"),
    **{name: partial(get_rate, name) for name in RATES},
}


@dataset_admin_required
@never_cache
def annotator_list(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The annotators, with their numbers, one page of them; POST saves who may judge."""
    form = AnnotatorsForm(request.POST if request.method == "POST" else None, instance=dataset)
    if form.is_valid():
        form.save(by=request.user)
        mark_done(dataset, "annotators")
        messages.success(request, _("Saved."))
        return redirect("annotators", dataset.slug)
    after, order = parse_person(request, "after"), parse_sort(request, SORTED_BY)
    status = find_status(request, dataset)
    if status is None:
        return HttpResponse(status=204)
    lines = map_lines(status.report, order)
    people = list_people_after(dataset, lines, after)
    more = people[PEOPLE_A_PAGE - 1].token if len(people) > PEOPLE_A_PAGE else None
    counted = Counted(dataset)
    context: dict[str, Any] = {
        "form": form,
        "invitation": find_invitation(request),
        "people": [(numbers, lines.get(numbers.person)) for numbers in count_numbers(counted, people[:PEOPLE_A_PAGE])],
        "qualifications": list_qualifications(dataset),
        "read_a_second": WORDS_A_SECOND,
        "sorting": order,
    }
    context |= count_last_week(dataset, counted) | build_links(request, "after", more)
    context["counted_at"] = counted.made_at
    page = render_page(request, dataset, "datasets/annotators.html", status, context)
    page.status_code = 422 if form.errors else page.status_code
    return page


def map_lines(report: Report | None, order: str = "") -> dict[listing.Person, PersonLine]:
    """{person: line} of a report's annotators, in an order of `parse_sort`; else those who need a look first."""
    lines: list[PersonLine] = sort_rows(fetch_numbers(report, "annotators")["annotators"] or [], order, SORTED_BY)
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


def count_last_week(dataset: Dataset, counted: Counted) -> dict[str, Any]:
    """{"week": {account id: judgments on each of the last `days` days}, "most_of_a_person": the most on one day}"""
    days = count_days(counted)
    if not days.dates or days.dates[-1] != timezone.localdate():
        return {"week": {}, "days": WEEK, "most_of_a_person": 0}
    week = {account: per_day[-WEEK:] for account, per_day in days.people.items() if any(per_day[-WEEK:])}
    most = max((n for per_day in week.values() for n in per_day), default=0)
    return {"week": week, "days": WEEK, "most_of_a_person": most}

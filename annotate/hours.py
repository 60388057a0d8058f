"""Hours and judgments by day, person and dataset, as rows and as CSV. Leaves out imported judgments."""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Greatest, Least, TruncDate

from datasets.files.writers import defuse_cell
from datasets.models import Dataset, Judgment

HEADER = ("date", "annotator", "dataset", "judgments", "skips", "hours")
MOST_SECONDS = 600.0  # for one comparison: more means that the person was away
SKIPPED = Q(state=Judgment.State.SKIPPED)
# Coalesce first: for a NULL and a number, LEAST returns the number on PostgreSQL and NULL on SQLite.
SECONDS = Greatest(Least(Coalesce("seconds", 0.0), MOST_SECONDS), 0.0)
SUMS: dict[str, Any] = {
    "judged": Count("pk", filter=~SKIPPED),
    "skips": Count("pk", filter=SKIPPED),
    "worked": Sum(SECONDS),
}


class HoursRow(NamedTuple):
    """One person's work in one dataset on one day."""

    date: date
    annotator: str
    dataset: str
    judgments: int
    skips: int
    hours: float


class Totals(NamedTuple):
    """One person's work in one dataset, over all days."""

    annotator: str
    dataset: str
    judgments: int
    skips: int
    hours: float


def iter_hours(since: date | None, until: date | None, zone: tzinfo, person: str = "") -> Iterator[HoursRow]:
    """Streams the rows by day, annotator and dataset; the database computes the sums.

    An act counts on the day of its verdict, a corrected one on the day of the correction, and for at most MOST_SECONDS.

    since, until: first and last day, inclusive; None for no bound.
    zone: the time zone that bounds the days.
    person: a username; blank for all.
    """
    days = find_acts(since, until, zone, person).annotate(day=TruncDate("decided_at", tzinfo=zone))
    totals = days.values_list("day", "annotator__username", "dataset__slug").annotate(**SUMS)
    rows = totals.order_by("day", "annotator__username", "dataset__slug").iterator(chunk_size=1000)
    for day, annotator, dataset, judgments, skips, worked in rows:
        yield HoursRow(day, annotator, dataset, judgments, skips, round(worked / 3600, 4))


def list_totals(since: date | None, until: date | None, zone: tzinfo, person: str = "") -> list[Totals]:
    """The sums over all these days, by annotator and dataset; for the parameters see `iter_hours`."""
    acts = find_acts(since, until, zone, person)
    sums = list(acts.values_list("annotator", "dataset").annotate(**SUMS))  # an index holds all of it, but no names
    names = get_user_model().objects.in_bulk({annotator for annotator, *_ in sums})
    slugs = Dataset.objects.in_bulk({dataset for _, dataset, *_ in sums})
    return sorted(
        Totals(names[annotator].username, slugs[dataset].slug, judgments, skips, round(worked / 3600, 4))
        for annotator, dataset, judgments, skips, worked in sums
    )


def sum_hours(dataset: Dataset) -> float:
    """The hours spent on a dataset so far; each act counts for at most MOST_SECONDS."""
    acts = find_acts(None, None, UTC, "").filter(dataset=dataset)
    return (acts.aggregate(worked=Sum(SECONDS))["worked"] or 0) / 3600


def find_acts(since: date | None, until: date | None, zone: tzinfo, person: str) -> QuerySet[Judgment]:
    """The verdicts and skips that count as work, unordered; for the parameters see `iter_hours`."""
    acts = Judgment.objects.filter(state__in=[*Judgment.STANDING, Judgment.State.SKIPPED], decided_at__isnull=False)
    acts = acts.filter(annotator__isnull=False).order_by()
    if person:
        acts = acts.filter(annotator__username=person)
    if since:
        acts = acts.filter(decided_at__gte=datetime.combine(since, time(), zone))
    if until:
        acts = acts.filter(decided_at__lt=datetime.combine(until + timedelta(days=1), time(), zone))
    return acts


class Echo:
    """A file object whose `write` returns its argument, for use with csv.writer."""

    def write(self, text: str) -> str:
        return text


def iter_csv_lines(rows: Iterable[HoursRow]) -> Iterator[str]:
    """The header and the rows as CSV lines, with cells defused so that no spreadsheet runs them as formulas."""
    write = csv.writer(Echo()).writerow
    yield write(HEADER)
    for row in rows:
        yield write([defuse_cell(cell) for cell in row])

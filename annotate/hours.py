"""Hours and judgments by day, person and dataset, as rows and as CSV. Leaves out imported judgments."""

import csv
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce, Greatest, Least, TruncDate

from datasets.files.writers import defuse_cell
from datasets.models import Judgment

HEADER = ("date", "annotator", "dataset", "judgments", "skips", "hours")
MOST_SECONDS = 600.0  # for one comparison: more means that the person was away


class HoursRow(NamedTuple):
    """One person's work in one dataset on one day."""

    date: date
    annotator: str
    dataset: str
    judgments: int
    skips: int
    hours: float


def iter_hours(since: date | None, until: date | None, zone: tzinfo) -> Iterator[HoursRow]:
    """Streams the rows by day, annotator and dataset; the database computes the sums.

    An act counts on the day of its verdict, a corrected one on the day of the correction, and for at most MOST_SECONDS.

    since, until: first and last day, inclusive; None for no bound.
    zone: the time zone that bounds the days.
    """
    acts = Judgment.objects.filter(state__in=[*Judgment.STANDING, Judgment.State.SKIPPED], decided_at__isnull=False)
    acts = acts.filter(annotator__isnull=False).order_by()
    if since:
        acts = acts.filter(decided_at__gte=datetime.combine(since, time(), zone))
    if until:
        acts = acts.filter(decided_at__lt=datetime.combine(until + timedelta(days=1), time(), zone))
    skipped = Q(state=Judgment.State.SKIPPED)
    # Coalesce first: for a NULL and a number, LEAST returns the number on PostgreSQL and NULL on SQLite.
    seconds = Greatest(Least(Coalesce("seconds", 0.0), MOST_SECONDS), 0.0)
    days = acts.annotate(day=TruncDate("decided_at", tzinfo=zone))
    totals = days.values_list("day", "annotator__username", "dataset__slug").annotate(
        judged=Count("pk", filter=~skipped), skips=Count("pk", filter=skipped), worked=Sum(seconds)
    )
    rows = totals.order_by("day", "annotator__username", "dataset__slug").iterator(chunk_size=1000)
    for day, annotator, dataset, judgments, skips, worked in rows:
        yield HoursRow(day, annotator, dataset, judgments, skips, round(worked / 3600, 4))


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

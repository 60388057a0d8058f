"""Hours and judgments by day, person and dataset, as rows and as CSV. What a file brought is nobody's work here."""

import csv
from datetime import datetime, time, timedelta

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce, Greatest, Least, TruncDate

from datasets.files.writers import defuse_cell
from datasets.models import Judgment

HEADER = ("date", "annotator", "dataset", "judgments", "skips", "hours")
MOST_SECONDS = 600.0  # for one comparison: whoever took longer was away


def iter_hours(since, until, zone):
    """(date, annotator, dataset, judgments, skips, hours) by day, streamed; the database does the sums.

    since, until: the first and the last day, both included; None is no bound. A day is one of `zone`. An act counts
    on the day of its verdict: a corrected one on the day of the correction. Each takes at most ten minutes.
    """
    acts = Judgment.objects.filter(state__in=[*Judgment.STANDING, Judgment.State.SKIPPED], decided_at__isnull=False)
    acts = acts.filter(annotator__isnull=False).order_by()
    if since:
        acts = acts.filter(decided_at__gte=datetime.combine(since, time(), zone))
    if until:
        acts = acts.filter(decided_at__lt=datetime.combine(until + timedelta(days=1), time(), zone))
    skipped = Q(state=Judgment.State.SKIPPED)
    # Coalesce first: of a NULL and a number PostgreSQL's LEAST takes the number, SQLite's the NULL.
    seconds = Greatest(Least(Coalesce("seconds", 0.0), MOST_SECONDS), 0.0)
    days = acts.annotate(day=TruncDate("decided_at", tzinfo=zone))
    days = days.values_list("day", "annotator__username", "dataset__slug").annotate(
        judged=Count("pk", filter=~skipped), skips=Count("pk", filter=skipped), worked=Sum(seconds)
    )
    for *row, worked in days.order_by("day", "annotator__username", "dataset__slug").iterator(chunk_size=1000):
        yield *row, round(worked / 3600, 4)


class Echo:
    """A file whose `write` gives back what it was given."""

    def write(self, text):
        return text


def iter_csv_lines(rows):
    """The header and the rows as lines of CSV. No cell is taken for a formula by a spreadsheet."""
    write = csv.writer(Echo()).writerow
    yield write(HEADER)
    for row in rows:
        yield write([defuse_cell(cell) for cell in row])

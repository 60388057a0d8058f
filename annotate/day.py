"""A person's day in a dataset: how many comparisons they have judged today, and how fast. Kept in their membership, so
that the header of the page costs no count.
"""

from typing import NamedTuple

from django.db.models import F
from django.utils import timezone

from annotate.hours import MOST_SECONDS
from annotate.models import Membership, User
from datasets.judgments.listing import get_day_start
from datasets.models import Dataset, Judgment

LATEST = 20  # judgments that the pace is taken of
FEWEST = 5  # judgments of today from which on a pace is told


class Day(NamedTuple):
    """A person's verdicts in a dataset. judged: all that stand. today: those of today. pace: seconds of one."""

    judged: int = 0
    today: int = 0
    pace: float | None = None


def fetch_day(user: User, dataset: Dataset) -> Day:
    """The person's day, by the clock of their time zone."""
    mine = Membership.objects.filter(user=user, dataset=dataset)
    row = mine.values_list("judged", "judged_today", "pace", "day").first()
    if row is None:
        return Day()
    judged, today, pace, day = row
    return Day(judged, today, pace) if day == timezone.localdate() else Day(judged)


def compute_pace(before: float | None, today: int, seconds: float) -> float:
    """The pace after one more judgment: the mean of today's first LATEST, then one that moves with the latest.

    today: the number of today's judgments, with this one. seconds: of this one.
    """
    seconds = max(0.0, min(seconds, MOST_SECONDS))
    if before is None or today < 2:
        return seconds
    return before + (seconds - before) / min(today, LATEST)


def change_day(judgment: Judgment, by: int, seconds: float | None = None) -> None:
    """Changes the person's count of verdicts, and counts those of today again. Gold questions and repeats count like
    votes, as the person sees the count.

    seconds: of a new judgment.
    """
    if judgment.purpose not in Judgment.WORK:
        return
    today = timezone.localdate()
    # Locked before counting: a judgment that is saved at the same moment is then either counted or waits for this one.
    mine = Membership.objects.select_for_update()
    membership = mine.get(user=judgment.annotator_id, dataset=judgment.dataset_id)
    standing = Judgment.objects.filter(annotator=judgment.annotator_id, dataset=judgment.dataset_id)
    standing = standing.filter(state__in=Judgment.STANDING, purpose__in=Judgment.WORK)
    count = standing.filter(decided_at__gte=get_day_start(today)).count()
    pace = membership.pace if membership.day == today else None
    Membership.objects.filter(pk=membership.pk).update(
        judged=F("judged") + by,
        judged_today=count,
        day=today,
        pace=pace if seconds is None else compute_pace(pace, count, seconds),
    )

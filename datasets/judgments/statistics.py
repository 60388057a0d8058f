"""Statistics of a dataset's judgments: standing votes and skips, without those of invisible imports.

The database counts and groups; Python sees one row per person or day.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from django.db.models import Count, F, Max, Q, QuerySet, Sum, Value, Window
from django.db.models.functions import Greatest, RowNumber, TruncDate
from django.utils import timezone

from datasets.judgments.listing import (
    SIDES,
    TOO_FAST,
    VERDICTS,
    Person,
    build_people_condition,
    format_duration,
    get_day_start,
    list_votes_and_skips,
)
from datasets.judgments.progress import count_with_cache, get_shortest_s
from datasets.models import Comparison, Dataset, Judgment

DAYS_SHOWN = 30
PACE_DAYS = 7
PEOPLE_SHOWN = 12
LATEST_VOTES = 1000  # that the median time is taken of
FEWEST = 20  # judgments from which on a time is a habit
OFTEN = 0.2  # share of judgments that are too fast

PersonKey = tuple[int | None, str]  # Person.key


@dataclass(frozen=True)
class Share:
    """`part` of `whole`, as counts."""

    part: int
    whole: int

    @property
    def percent(self) -> float | None:
        """100 · part / whole; None where whole is 0."""
        return 100 * self.part / self.whole if self.whole else None


def compute_verdict_shares(verdicts: Mapping[str, int]) -> dict[str, Share]:
    """{kind: Share}: verdicts as shares of the votes, skips and flags as shares of votes, skips and flags together.

    verdicts: counts, see `progress.count_verdicts`.
    """
    total, skip_kinds = sum(verdicts.values()), ("skip", "flag")
    votes = total - sum(verdicts.get(kind, 0) for kind in skip_kinds)
    return {kind: Share(n, total if kind in skip_kinds else votes) for kind, n in verdicts.items()}


@dataclass(frozen=True)
class PersonNumbers:
    """Statistics of one person in one dataset.

    left: share of the left side among choices of a side; None for an imported name, as files have no sides.
    fast: share of the votes that are too fast, see listing.TOO_FAST; None for an imported name.
    seconds: the median time of a vote; None where unknown.
    """

    person: Person
    judgments: int
    ties: int
    both_bad: int
    skips: int
    flags: int
    left: Share | None
    fast: Share | None
    seconds: float | None

    @property
    def median(self) -> str:
        """The median time in words."""
        return format_duration(self.seconds)


def is_often_too_fast(numbers: PersonNumbers) -> bool:
    """Whether a person with FEWEST judgments or more is too fast in a fifth of them."""
    fast = numbers.fast
    return fast is not None and fast.whole >= FEWEST and fast.part >= OFTEN * fast.whole


def compute_numbers(dataset: Dataset, people: Sequence[Person]) -> list[PersonNumbers]:
    """Statistics of these people, in their order."""
    counts = count_by_person(dataset, people)
    medians = compute_medians(dataset, people)
    numbers = []
    for person in people:
        votes, ties, both_bad, skips, flags, left, right, fast = counts.get(person.key, (0,) * 8)
        numbers.append(
            PersonNumbers(
                person,
                votes,
                ties,
                both_bad,
                skips,
                flags,
                left=None if person.is_imported else Share(left, left + right),
                fast=None if person.is_imported else Share(fast, votes),
                seconds=medians.get(person.key),
            )
        )
    return numbers


def count_by_person(dataset: Dataset, people: Sequence[Person]) -> dict[PersonKey, tuple[int, ...]]:
    """{person's key: (votes, ties, both bad, skips, flags, left, right, too fast)}"""
    kinds = [VERDICTS[kind][1] for kind in ("tie", "both_bad", "skip", "flag")]
    votes = Q(state__in=Judgment.STANDING)
    counted = (votes, *kinds, SIDES["left"][1], SIDES["right"][1], TOO_FAST)
    groups = (
        list_votes_and_skips(dataset)
        .filter(build_people_condition(*people))
        .order_by()
        .values("annotator", "imported_by")
    )
    rows = groups.annotate(**{f"n{i}": Count("pk", filter=q) for i, q in enumerate(counted)})
    fields = ("annotator", "imported_by", *(f"n{i}" for i in range(len(counted))))
    return {(account, name): tuple(counts) for account, name, *counts in rows.values_list(*fields)}


def compute_medians(dataset: Dataset, people: Sequence[Person]) -> dict[PersonKey, float]:
    """{person's key: median seconds of their votes}, ranked in the database; with an even number, the middle mean."""
    votes = Judgment.objects.votes().filter(build_people_condition(*people), dataset=dataset, seconds__isnull=False)
    person = [F("annotator"), F("imported_by")]
    ranked = votes.annotate(
        rank=Window(RowNumber(), partition_by=person, order_by="seconds"),
        n=Window(Count("pk"), partition_by=person),
    )
    middle = ranked.filter(rank__gte=F("n") / 2.0, rank__lte=F("n") / 2.0 + 1)
    rows = middle.order_by("annotator", "imported_by").values_list("annotator", "imported_by", "seconds")
    medians: dict[PersonKey, float] = {}
    for key, group in groupby(rows, key=lambda row: row[:2]):
        seconds = [row[2] for row in group if row[2] is not None]
        medians[key] = sum(seconds) / len(seconds)
    return medians


@dataclass(frozen=True)
class DailyCounts:
    """Votes made here per day; imported ones have no day.

    dates: consecutive, at most DAYS_SHOWN.
    totals: votes on each date.
    people: {account id: their votes on each date}.
    """

    dates: list[date]
    totals: list[int]
    people: dict[int, list[int]]


@dataclass(frozen=True)
class Effort:
    """Working time of a dataset.

    hours: spent so far, skips included.
    median: seconds of a vote; None while there are too few.
    remaining: hours for the votes that are missing, at the median; None without one.
    """

    hours: float
    median: float | None
    remaining: float | None


def compute_effort(dataset: Dataset, hours: float, missing: int) -> Effort:
    """The Effort of a dataset. hours: spent so far. missing: votes."""
    median = compute_median_seconds(dataset)
    return Effort(hours, median, None if median is None else missing * median / 3600)


def compute_median_seconds(dataset: Dataset) -> float | None:
    """The median time of a dataset's latest votes; None if fewer than FEWEST have one."""
    votes = Judgment.objects.votes().filter(dataset=dataset, seconds__isnull=False)
    latest = votes.order_by("-pk").values_list("seconds", flat=True)[:LATEST_VOTES]
    seconds = [each for each in latest if each is not None]
    return statistics.median(seconds) if len(seconds) >= FEWEST else None


def list_account_votes(dataset: Dataset) -> QuerySet[Judgment]:
    """Votes of accounts, without imported ones."""
    return Judgment.objects.votes().filter(dataset=dataset, annotator__isnull=False).order_by()


def count_by_day(dataset: Dataset) -> DailyCounts:
    """Daily counts up to today, in the current time zone.

    They end on the day of the last vote where that is at least DAYS_SHOWN days ago.
    """
    decided_at = list_account_votes(dataset).aggregate(last=Max("decided_at"))["last"]
    if decided_at is None:
        return DailyCounts([], [], {})
    today, last = timezone.localdate(), timezone.localdate(decided_at)
    end = today if (today - last).days < DAYS_SHOWN else last
    dates = [end - timedelta(days=back) for back in reversed(range(DAYS_SHOWN))]
    place = {day: i for i, day in enumerate(dates)}
    totals = [0] * DAYS_SHOWN
    people: dict[int, list[int]] = {}
    rows = (
        list_account_votes(dataset)
        .filter(decided_at__gte=get_day_start(dates[0]))
        .annotate(day=TruncDate("decided_at"))
    )
    for day, account, n in rows.values("day", "annotator").annotate(n=Count("pk")).values_list("day", "annotator", "n"):
        if day in place:
            totals[place[day]] += n
            people.setdefault(account, [0] * DAYS_SHOWN)[place[day]] = n
    first = next(i for i, n in enumerate(totals) if n)
    first = min(first, DAYS_SHOWN - PACE_DAYS)
    return DailyCounts(dates[first:], totals[first:], {account: ns[first:] for account, ns in people.items()})


def list_busiest(dataset: Dataset) -> list[tuple[Person, int]]:
    """[(person, number of votes)] of the PEOPLE_SHOWN people with the most votes."""
    groups = Judgment.objects.votes().filter(dataset=dataset).order_by()
    rows = groups.values("annotator", "annotator__username", "imported_by").annotate(n=Count("pk"))
    rows = rows.order_by("-n", "annotator__username", "imported_by")[:PEOPLE_SHOWN]
    return [
        (Person.build(account, username, name), n)
        for account, username, name, n in rows.values_list("annotator", "annotator__username", "imported_by", "n")
    ]


def count_missing(dataset: Dataset) -> int:
    """Number of votes still missing: wanted - votes, where positive, summed over the comparisons in the queue.

    Leased comparisons still miss theirs: votes = wanted - open_slots - leases.
    """
    comparisons = Comparison.objects.filter(dataset=dataset, held="", open_slots__gt=0)
    missing = comparisons.aggregate(n=Sum("open_slots"))["n"] or 0
    leased = Judgment.objects.filter(dataset=dataset, state=Judgment.State.LEASED, comparison__held="")
    leased = leased.filter(purpose=Judgment.Purpose.VOTE).order_by()
    slots, zero = F("comparison__open_slots"), Value(0)
    in_hand = leased.values("comparison").annotate(n=Greatest(slots + Count("pk"), zero) - Greatest(slots, zero))
    return missing + (in_hand.aggregate(total=Sum("n"))["total"] or 0)


def compute_share_done(votes: int, missing: int) -> Share:
    """The judgments done of those wanted: several of one comparison where it has an overlap."""
    return Share(votes, votes + missing)


def get_recent_share(dataset: Dataset) -> Share:
    """The judgments done of those wanted, cached as progress.get_recent_progress is."""

    def count() -> Share:
        return compute_share_done(Judgment.objects.votes().filter(dataset=dataset).count(), count_missing(dataset))

    return count_with_cache(f"share-{dataset.pk}", count, get_shortest_s(dataset))


@dataclass(frozen=True)
class Pace:
    """When a dataset will be finished.

    missing: votes.
    per_day: mean of the last PACE_DAYS days with votes; None without any.
    days: missing / per_day, rounded up.
    finish: today plus `days`; None where that is after the last date of the calendar.
    """

    missing: int
    per_day: float | None
    days: int | None
    finish: date | None


def list_latest_totals(dataset: Dataset, days: DailyCounts) -> list[int]:
    """The votes on each of the last PACE_DAYS days with votes.

    days: its daily counts; only if they have too few days with votes does this query all days.
    """
    worked = [n for n in days.totals if n]
    if days.dates and len(worked) < PACE_DAYS:
        counts = list_account_votes(dataset).annotate(day=TruncDate("decided_at")).values("day").annotate(n=Count("pk"))
        worked = [row["n"] for row in counts.order_by("day")]
    return worked[-PACE_DAYS:]


def estimate_pace(missing: int, recent: Sequence[int]) -> Pace:
    """Pace of a dataset. missing: votes. recent: see list_latest_totals."""
    if not recent:
        return Pace(missing, None, None, None)
    per_day = sum(recent) / len(recent)
    needed = math.ceil(missing / per_day)
    today = timezone.localdate()
    finish = today + timedelta(days=needed) if needed <= (date.max - today).days else None
    return Pace(missing, per_day, needed, finish)

"""Progress of a dataset, and counts of verdicts, sources and choices."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict, TypeVar

from django.core.cache import cache
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from datasets.models import Choice, Comparison, Dataset, Judgment, Response

T = TypeVar("T")
RECOUNT_FACTOR = 50
MIXED_CACHE_S = 600  # seconds


@dataclass(frozen=True)
class Progress:
    """Number of comparisons: done (have all wanted judgments), in_hand (currently leased), open (the rest)."""

    done: int
    in_hand: int
    open: int

    @property
    def total(self) -> int:
        return self.done + self.in_hand + self.open


class SourceCounts(TypedDict):
    """Number of responses of a source, and how often votes chose and rejected them, overall."""

    source: str
    responses: int
    chosen: int
    rejected: int


def count_progress(dataset: Dataset) -> Progress:
    """The current progress of a dataset, counted in the database."""
    comparisons = Comparison.objects.filter(dataset=dataset, held__in=["", Comparison.SURE])
    votes = Judgment.objects.filter(dataset=dataset, purpose=Judgment.Purpose.VOTE)
    leased = votes.filter(state=Judgment.State.LEASED)
    in_hand = comparisons.filter(pk__in=leased.values("comparison"))
    is_open = Q(open_slots__gt=0, held="")
    counts = comparisons.aggregate(total=Count("pk"), open=Count("pk", filter=is_open))
    hands = in_hand.aggregate(total=Count("pk"), open=Count("pk", filter=is_open))
    still_open = counts["open"] - hands["open"]
    return Progress(counts["total"] - hands["total"] - still_open, hands["total"], still_open)


def get_recent_progress(dataset: Dataset) -> Progress:
    """The progress of a dataset, cached.

    Counting takes at most 2% of the time, see count_with_cache.
    """
    return count_with_cache(f"progress-{dataset.pk}", lambda: count_progress(dataset), get_shortest_s(dataset))


def get_shortest_s(dataset: Dataset) -> int:
    """The shortest time for which numbers that annotators see are cached, in seconds.

    Ten minutes where gold questions or repeats are mixed in: a bar that moved after each vote, and only then, would
    reveal them.
    """
    return MIXED_CACHE_S if dataset.mixes else 0


def count_with_cache(key: str, count: Callable[[], T], shortest_s: float = 0) -> T:
    """What `count` returns, cached for 50 times as long as it took, at least `shortest_s` seconds."""
    counted: T | None = cache.get(key)
    if counted is None:
        started = time.monotonic()
        counted = count()
        cache.set(key, counted, max(RECOUNT_FACTOR * (time.monotonic() - started), shortest_s))
    return counted


ALWAYS_COUNTED = ("choice", "tie", "both_bad")
IF_THERE = ("rank", "rate", "repair")


def count_verdicts(dataset: Dataset) -> dict[str, int]:
    """{kind: count} for choice, tie, both_bad and skip; also for rank, rate, repair and flag where they occur."""
    saved = Judgment.objects.votes().filter(dataset=dataset).order_by()
    counts: Counter[str] = Counter()
    for verdict, n in saved.values("verdict").annotate(n=Count("pk")).values_list("verdict", "n"):
        counts["choice" if verdict.startswith(("left", "right")) else verdict] += n
    skipped = Judgment.objects.filter(dataset=dataset, purpose=Judgment.Purpose.VOTE, state=Judgment.State.SKIPPED)
    skips = skipped.aggregate(skip=Count("pk", filter=Q(flag="")), flag=Count("pk", filter=~Q(flag="")))
    verdict_counts = {
        kind: counts[kind] for kind in (*ALWAYS_COUNTED, *IF_THERE) if kind in ALWAYS_COUNTED or counts[kind]
    }
    return verdict_counts | {kind: n for kind, n in skips.items() if n or kind == "skip"}


def count_by_source(dataset: Dataset) -> list[SourceCounts]:
    """Counts of each source of a dataset, by name."""
    responses = Response.objects.visible().filter(prompt__dataset=dataset).order_by("source")
    counts: dict[str, SourceCounts] = {
        row["source"]: {"source": row["source"], "responses": row["responses"], "chosen": 0, "rejected": 0}
        for row in responses.values("source").annotate(responses=Count("pk"))
    }
    choices = Choice.objects.of_votes().filter(judgment__dataset=dataset, criterion="", strength__gt=0).order_by()
    for side in ("chosen", "rejected"):
        for row in choices.values(f"{side}__source").annotate(n=Count("pk")):
            if source_counts := counts.get(row[f"{side}__source"]):  # None: of an unfinished import
                source_counts[side] = row["n"]
    return list(counts.values())


def list_most_chosen_ids(dataset: Dataset, most: int) -> list[int]:
    """The answers (ids) that votes chose most often; if fewer were chosen, those that were only rejected follow."""
    choices = Choice.objects.of_votes().filter(judgment__dataset=dataset, criterion="", strength__gt=0).order_by()
    counts = choices.values_list("chosen").annotate(n=Count("pk")).order_by("-n", "chosen")[:most]
    ids = [pk for pk, _n in counts]
    if len(ids) < most:
        rejected = choices.exclude(rejected__in=ids).values_list("rejected", flat=True).order_by("rejected").distinct()
        ids += rejected[: most - len(ids)]
    return ids


def list_with_counts(ids: Sequence[int]) -> list[Response]:
    """These answers, annotated as by annotate_counts, with their prompts; without those that are gone."""
    order = {pk: place for place, pk in enumerate(ids)}
    responses = annotate_counts(Response.objects.filter(pk__in=order).select_related("prompt").defer("html"))
    return sorted(responses, key=lambda response: order[response.pk])


def annotate_counts(responses: QuerySet[Response]) -> QuerySet[Response]:
    """The responses, each annotated with `chosen`, `rejected` and `tied`: its number of such votes, overall."""

    def count(side: str, **strength: int) -> Coalesce:
        choices = Choice.objects.of_votes().filter(**{side: OuterRef("pk")}, criterion="", **strength).order_by()
        return Coalesce(Subquery(choices.values(side).annotate(n=Count("pk")).values("n")), 0)

    return responses.annotate(
        chosen=count("chosen", strength__gt=0),
        rejected=count("rejected", strength__gt=0),
        tied=count("chosen", strength=0) + count("rejected", strength=0),
    )

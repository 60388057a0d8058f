"""How far a dataset is, and what was said in it."""

import time
from collections import Counter
from dataclasses import dataclass

from django.core.cache import cache
from django.db.models import Count, Q

from datasets.models import Choice, Comparison, Judgment, Response

SELDOM = 50
MIXED = 600  # seconds


@dataclass(frozen=True)
class Progress:
    """Comparisons: done (all wanted judgments are there), in_hand (somebody has it now), open (the rest)."""

    done: int
    in_hand: int
    open: int

    @property
    def total(self):
        return self.done + self.in_hand + self.open


def progress(dataset):
    asked = Comparison.objects.filter(dataset=dataset, held__in=["", Comparison.SURE])
    votes = Judgment.objects.filter(dataset=dataset, purpose=Judgment.Purpose.VOTE)
    leased = votes.filter(state=Judgment.State.LEASED)
    in_hand = asked.filter(pk__in=leased.values("comparison"))
    is_open = Q(open_slots__gt=0, held="")
    counts = asked.aggregate(total=Count("pk"), open=Count("pk", filter=is_open))
    hands = in_hand.aggregate(total=Count("pk"), open=Count("pk", filter=is_open))
    still_open = counts["open"] - hands["open"]
    return Progress(counts["total"] - hands["total"] - still_open, hands["total"], still_open)


def recent_progress(dataset):
    """The progress as it was a moment ago. Counting takes the longer the more there is: it is done again after fifty
    times as long as it took, so that it never costs more than a fiftieth of the time. Where known answers are mixed in
    it stands for ten minutes: a bar that moves with each judgment would tell which one was asked for."""
    found = cache.get(f"progress-{dataset.pk}")
    if found is None:
        started = time.monotonic()
        found = progress(dataset)
        seldom = SELDOM * (time.monotonic() - started)
        cache.set(f"progress-{dataset.pk}", found, max(seldom, MIXED) if dataset.mixes else seldom)
    return found


ALWAYS_COUNTED = ("choice", "tie", "both_bad")
IF_THERE = ("rank", "rate", "repair")


def verdicts(dataset):
    """{kind: count} of choice, tie, both_bad and skip; of rank, rate, repair and flag where there are any."""
    saved = Judgment.objects.votes().filter(dataset=dataset).order_by()
    counts = Counter()
    for verdict, n in saved.values("verdict").annotate(n=Count("pk")).values_list("verdict", "n"):
        counts["choice" if verdict.startswith(("left", "right")) else verdict] += n
    skipped = Judgment.objects.filter(dataset=dataset, purpose=Judgment.Purpose.VOTE, state=Judgment.State.SKIPPED)
    passed = skipped.aggregate(skip=Count("pk", filter=Q(flag="")), flag=Count("pk", filter=~Q(flag="")))
    found = {kind: counts[kind] for kind in (*ALWAYS_COUNTED, *IF_THERE) if kind in ALWAYS_COUNTED or counts[kind]}
    return found | {kind: n for kind, n in passed.items() if n or kind == "skip"}


def sources(dataset):
    """[{source, responses, chosen, rejected}] of a dataset, by source; chosen and rejected in all."""
    found = Response.objects.visible().filter(prompt__dataset=dataset).order_by("source")
    counts = {
        row["source"]: row | {"chosen": 0, "rejected": 0}
        for row in found.values("source").annotate(responses=Count("pk"))
    }
    choices = Choice.objects.of_votes().filter(judgment__dataset=dataset, criterion="", strength__gt=0).order_by()
    for side in ("chosen", "rejected"):
        for row in choices.values(f"{side}__source").annotate(n=Count("pk")):
            counts[row[f"{side}__source"]][side] = row["n"]
    return list(counts.values())

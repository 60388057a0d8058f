"""How far a dataset is, and what was said in it."""

from dataclasses import dataclass

from django.db.models import Count, Q

from datasets.models import Choice, Comparison, Judgment, Response


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
    asked = Comparison.objects.filter(dataset=dataset, held="")
    leased = Judgment.objects.filter(dataset=dataset, state=Judgment.State.LEASED)
    in_hand = asked.filter(pk__in=leased.values("comparison"))
    counts = asked.aggregate(total=Count("pk"), open=Count("pk", filter=Q(open_slots__gt=0)))
    hands = in_hand.aggregate(total=Count("pk"), open=Count("pk", filter=Q(open_slots__gt=0)))
    still_open = counts["open"] - hands["open"]
    return Progress(counts["total"] - hands["total"] - still_open, hands["total"], still_open)


def judged_by(user, dataset):
    """How many comparisons this person has judged."""
    return Judgment.objects.filter(annotator=user, dataset=dataset, state__in=Judgment.STANDING).count()


def verdicts(dataset):
    """{kind: count} of choice, tie, both_bad and skip."""
    saved = Judgment.objects.votes().filter(dataset=dataset)
    skipped = Judgment.objects.filter(dataset=dataset, state=Judgment.State.SKIPPED).count()
    tie, both_bad = Q(verdict="tie"), Q(verdict="both_bad")
    counts = saved.aggregate(
        choice=Count("pk", filter=~tie & ~both_bad),
        tie=Count("pk", filter=tie),
        both_bad=Count("pk", filter=both_bad),
    )
    return counts | {"skip": skipped}


def sources(dataset):
    """[{source, responses, chosen, rejected}] of a dataset, by source."""
    found = Response.objects.visible().filter(prompt__dataset=dataset).order_by("source")
    counts = {
        row["source"]: row | {"chosen": 0, "rejected": 0}
        for row in found.values("source").annotate(responses=Count("pk"))
    }
    choices = Choice.objects.of_votes().filter(judgment__dataset=dataset, strength__gt=0).order_by()
    for side in ("chosen", "rejected"):
        for row in choices.values(f"{side}__source").annotate(n=Count("pk")):
            counts[row[f"{side}__source"]][side] = row["n"]
    return list(counts.values())

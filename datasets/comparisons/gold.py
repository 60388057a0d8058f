"""Gold questions: made from a judgment or an admin's own answer, used to check answers, and undone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from django.db import transaction
from django.db.models import Count

from datasets.audit.log import Kind, log
from datasets.comparisons import review
from datasets.judgments.outcomes import StatedChoice
from datasets.models import Choice, Comparison, Dataset, Gold, Judgment

if TYPE_CHECKING:
    from annotate.models import User

# Purposes of the judgments that answer a gold question
ATTEMPT_PURPOSES = (Judgment.Purpose.GOLD, Judgment.Purpose.PRACTICE)
HELD_BY_NOTHING = ("", Comparison.SURE)  # in the queue, or out of it because its votes suffice


class CannotMakeGold(Exception):
    """A comparison cannot become a gold question.

    reason: `nothing_said` (the judgment states no overall verdict), `held` (the comparison is flagged or left out),
    `is_gold`, or `other_answer` (the answer is none of the comparison's).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@transaction.atomic
def create_gold(judgment: Judgment, reason: str = "", for_practice: bool = False, by: "User | None" = None) -> Gold:
    """The gold question made from a standing judgment; its comparison leaves the queue.

    Votes on the comparison stay, and open leases may still be completed.

    reason: why the answer is right, shown in practice.

    Raises CannotMakeGold.
    """
    comparison = lock_for_gold(judgment.comparison_id, HELD_BY_NOTHING)
    verdict, choices = derive_known_answer(judgment.verdict, list_choices([judgment.pk]).get(judgment.pk, []))
    if judgment.state not in Judgment.STANDING or not verdict:
        raise CannotMakeGold("nothing_said")
    order = [pk for pk in judgment.order if pk in comparison.response_ids]
    gold = Gold(verdict=verdict, choices=choices, order=order, reason=reason, for_practice=for_practice)
    return store_gold(gold, comparison, by)


@transaction.atomic
def create_gold_from_answer(
    comparison_id: int, seen: str, best: int | str, reason: str = "", by: "User | None" = None
) -> Gold:
    """The gold question with the answer that an admin names; its comparison leaves the queue.

    seen: what held the comparison when the admin saw it; a flagged one is decided by this.
    best: the id of the best response, or the verdict `tie` or `both_bad`.

    Raises CannotMakeGold; Comparison.DoesNotExist.
    """
    allowed = (Comparison.FLAGGED,) if seen == Comparison.FLAGGED else HELD_BY_NOTHING
    comparison = lock_for_gold(comparison_id, allowed)
    ids = comparison.response_ids
    if comparison.task != Comparison.Task.JUDGE or len(ids) < 2:
        raise CannotMakeGold("nothing_said")
    if isinstance(best, int) and best not in ids:
        raise CannotMakeGold("other_answer")
    if isinstance(best, int):
        gold = Gold(verdict="choice", choices=[[best, other] for other in ids if other != best])
    else:
        gold = Gold(verdict=best)
    gold.order, gold.reason = ids, reason
    return store_gold(gold, comparison, by)


def lock_for_gold(comparison_id: int, allowed: Sequence[str]) -> Comparison:
    """The comparison, locked. allowed: what may hold it. Raises CannotMakeGold if something else does."""
    comparison = Comparison.objects.select_for_update().get(pk=comparison_id)
    if comparison.held == Comparison.GOLD:
        raise CannotMakeGold("is_gold")
    if comparison.held not in allowed:
        raise CannotMakeGold("held")
    return comparison


def store_gold(gold: Gold, comparison: Comparison, by: "User | None") -> Gold:
    """Saves the gold question of a comparison, which is locked, and takes the comparison out of the queue."""
    Comparison.objects.filter(pk=comparison.pk).update(held=Comparison.GOLD)
    log(Kind.GOLD, comparison.pk, None, gold.verdict, by=by, dataset=comparison.dataset)
    refresh_review(comparison)
    gold.comparison, gold.dataset_id, gold.made_by = comparison, comparison.dataset_id, by
    gold.save()
    return gold


def can_become_gold(judgment: Judgment) -> bool:
    """Whether this is a reviewer's decision or an admin's verdict that stands, and no answer to a gold question."""
    by_admin = judgment.annotator is not None and judgment.annotator.is_admin
    is_trusted = by_admin or judgment.purpose == Judgment.Purpose.DECISION
    return is_trusted and judgment.state in Judgment.STANDING and judgment.purpose not in ATTEMPT_PURPOSES


@transaction.atomic
def update_gold(gold: Gold, reason: str, for_practice: bool, by: "User | None" = None) -> None:
    """Sets the reason of a gold question and whether the practice round uses it."""
    current = Gold.objects.select_for_update().get(pk=gold.pk)
    if (current.reason, current.for_practice) == (reason, for_practice):
        return
    use = ["mixed in", "practice"]
    log(Kind.GOLD, current.comparison_id, use[current.for_practice], use[for_practice], by=by, dataset=current.dataset)
    Gold.objects.filter(pk=gold.pk).update(reason=reason, for_practice=for_practice)


@transaction.atomic
def delete_gold(gold: Gold, by: "User | None" = None) -> None:
    """Deletes a gold question. Its comparison returns to the queue; judgments of it stay."""
    Comparison.objects.filter(pk=gold.comparison_id, held=Comparison.GOLD).update(held="")
    log(Kind.GOLD, gold.comparison_id, gold.verdict, None, by=by, dataset=gold.dataset)
    refresh_review(gold.comparison)
    gold.delete()


def refresh_review(comparison: Comparison) -> None:
    """Updates whether a comparison waits for a reviewer; a gold question never does."""
    review.refresh(comparison.dataset, [comparison.pk])


def derive_known_answer(verdict: str, choices: Sequence[tuple[int, int, int]]) -> tuple[str, list[list[int]]]:
    """(verdict, choices) for a Gold, from a judgment's overall verdict; the verdict is "" where it states none.

    choices: (chosen, rejected, strength) of response ids.
    """
    decided = [[chosen, rejected] for chosen, rejected, strength in choices if strength]
    if decided:
        return "choice", decided
    if verdict == "both_bad":
        return "both_bad", []
    return ("tie", []) if choices else ("", [])


def is_right(gold: Gold, verdict: str, choices: Sequence[tuple[int, int, int]]) -> bool:
    """Whether a judgment agrees with the known answer.

    Where that is a choice, the best response (the one that never lost) must beat at least one other and lose to none.

    choices: (chosen, rejected, strength) of response ids.
    """
    if gold.verdict != "choice":
        return derive_known_answer(verdict, choices)[0] == gold.verdict
    losers = {rejected for _, rejected in gold.choices}
    best = {(chosen, rejected) for chosen, rejected in gold.choices if chosen not in losers}
    preferences = {(chosen, rejected) for chosen, rejected, strength in choices if strength}
    return bool(best & preferences) and not any((rejected, chosen) in preferences for chosen, rejected in best)


def list_choices(judgments: Iterable[int]) -> dict[int, list[StatedChoice]]:
    """{judgment id: its overall choices}, without judgments that state none.

    judgments: ids.
    """
    choices: dict[int, list[StatedChoice]] = {}
    rows = Choice.objects.filter(judgment__in=judgments, criterion="").order_by("pk")
    for pk, *choice in rows.values_list("judgment", "chosen", "rejected", "strength"):
        choices.setdefault(pk, []).append(StatedChoice(*choice))
    return choices


class Attempt(NamedTuple):
    """One answer to a gold question."""

    gold: Gold
    judgment: Judgment
    is_right: bool


def list_attempts(golds: Iterable[Gold]) -> list[Attempt]:
    """All answers to these gold questions, mixed in or in practice, oldest first."""
    gold_by_comparison = {gold.comparison_id: gold for gold in golds}
    answers = Judgment.objects.filter(comparison__in=gold_by_comparison, state__in=Judgment.STANDING)
    judgments = list(
        answers.filter(purpose__in=ATTEMPT_PURPOSES).select_related("annotator").order_by("decided_at", "pk")
    )
    choices = list_choices([judgment.pk for judgment in judgments])
    return [
        Attempt(gold, judgment, is_right(gold, judgment.verdict, choices.get(judgment.pk, [])))
        for judgment in judgments
        for gold in [gold_by_comparison[judgment.comparison_id]]
    ]


@dataclass
class GoldTally:
    """A gold question with the number of its answers, and how many of them were right."""

    gold: Gold
    right: int = 0
    tried: int = 0


def list_gold(dataset: Dataset, after: int = 0, limit: int | None = None) -> list[GoldTally]:
    """At most `limit` gold questions with their tallies, by id, starting after the id `after`."""
    golds = (
        Gold.objects.filter(dataset=dataset, pk__gt=after)
        .select_related("comparison__prompt", "made_by")
        .order_by("pk")[:limit]
    )
    tallies = {gold.pk: GoldTally(gold) for gold in golds}
    for attempt in list_attempts(tally.gold for tally in tallies.values()):
        tallies[attempt.gold.pk].right += attempt.is_right
        tallies[attempt.gold.pk].tried += 1
    return list(tallies.values())


def count_gold(dataset: Dataset) -> tuple[int, int]:
    """Number of gold questions that are (mixed into the queue, for practice)."""
    totals = dict(dataset.gold.order_by().values_list("for_practice").annotate(Count("pk")))
    return totals.get(False, 0), totals.get(True, 0)

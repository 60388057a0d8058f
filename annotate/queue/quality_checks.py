"""Quality checks mixed into the queue: gold questions, and repeats of a person's own judgments with the order reversed.

They must be indistinguishable from other comparisons: the same code builds page, script and headers from the same
judgment row, both kinds are searched for whenever a dataset mixes, and the same statements write the lease whatever the
result. Neither takes a slot of its comparison, and exports leave out their choices.
"""

import random
from typing import NamedTuple

from django.db.models import Exists, OuterRef

from datasets.models import Comparison, Dataset, Gold, Judgment

REPEAT_AFTER = 20  # acts of the same person
CANDIDATE_LIMIT = 200
Purpose = Judgment.Purpose


class Check(NamedTuple):
    """A quality check to lease. order: of the response ids; None draws it at random."""

    comparison: Comparison
    purpose: str
    order: list[int] | None


def draw_known(user_id: int, dataset: Dataset) -> Check | None:
    """The quality check to lease in place of the next comparison.

    None most of the time, and when the kind that was drawn has no candidates left.
    """
    gold, repeat = draw_gold(user_id, dataset), draw_repeat(user_id, dataset)
    percent = 100 * random.random()
    if percent < dataset.gold_share:
        return gold
    return repeat if percent < dataset.gold_share + dataset.repeat_share else None


def draw_gold(user_id: int, dataset: Dataset) -> Check | None:
    """A gold question that this person has never been given."""
    mine = Judgment.objects.filter(comparison=OuterRef("comparison"), annotator=user_id)
    barred = Comparison.barred.through.objects.filter(comparison=OuterRef("comparison"), user=user_id)
    left = Gold.objects.filter(dataset=dataset, for_practice=False, comparison__held=Comparison.GOLD)
    left = left.exclude(Exists(mine.exclude(state=Judgment.State.EXPIRED))).exclude(Exists(barred)).order_by("pk")
    candidates = list(left.values_list("comparison", flat=True)[:CANDIDATE_LIMIT])
    return Check(get_comparison(random.choice(candidates)), Purpose.GOLD, None) if candidates else None


def draw_repeat(user_id: int, dataset: Dataset) -> Check | None:
    """A repeat of one of this person's votes, at least REPEAT_AFTER acts old and not repeated yet."""
    votes = Judgment.objects.filter(annotator=user_id, dataset=dataset, state=Judgment.State.SAVED)
    before = votes.filter(purpose=Purpose.VOTE).order_by("-decided_at")[REPEAT_AFTER : REPEAT_AFTER + CANDIDATE_LIMIT]
    repeats = Judgment.objects.filter(comparison=OuterRef("comparison"), annotator=user_id, purpose=Purpose.REPEAT)
    repeatable = Judgment.objects.filter(pk__in=[vote.pk for vote in before.only("pk")])
    repeatable = repeatable.exclude(Exists(repeats.exclude(state=Judgment.State.EXPIRED)))
    repeatable = repeatable.filter(comparison__held="", comparison__task=Comparison.Task.JUDGE)
    candidates = list(repeatable.values_list("comparison", "order"))
    if not candidates:
        return None
    comparison, order = random.choice(candidates)
    return Check(get_comparison(comparison), Purpose.REPEAT, order[::-1])


def get_comparison(pk: int) -> Comparison:
    return Comparison.objects.select_related("dataset").get(pk=pk)

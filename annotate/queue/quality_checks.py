"""What a person is given among the rest though it is known already: comparisons with a known answer (gold), and their
own judgments once more with the sides swapped (repeats).

Nothing may tell them apart: the page, its script and its headers are made of the same judgment row by the same code,
both kinds are looked for whenever a dataset mixes, and the lease is written with the same statements, whatever comes of
it. Neither takes a slot of its comparison, and no export takes their choices.
"""

import random

from django.db.models import Exists, OuterRef

from datasets.models import Comparison, Gold, Judgment

REPEAT_AFTER = 20  # acts of the same person
CANDIDATE_LIMIT = 200
Purpose = Judgment.Purpose


def draw_known(user_id, dataset):
    """(comparison, purpose, order or None) to be leased in place of the next comparison; None for most of the time, and
    where there is nothing left of the kind that was drawn."""
    gold, repeat = draw_gold(user_id, dataset), draw_repeat(user_id, dataset)
    percent = 100 * random.random()
    if percent < dataset.gold_share:
        return gold
    return repeat if percent < dataset.gold_share + dataset.repeat_share else None


def draw_gold(user_id, dataset):
    """A comparison with a known answer that this person has never had."""
    mine = Judgment.objects.filter(comparison=OuterRef("comparison"), annotator=user_id)
    barred = Comparison.barred.through.objects.filter(comparison=OuterRef("comparison"), user=user_id)
    left = Gold.objects.filter(dataset=dataset, for_practice=False, comparison__held=Comparison.GOLD)
    left = left.exclude(Exists(mine.exclude(state=Judgment.State.EXPIRED))).exclude(Exists(barred)).order_by("pk")
    candidates = list(left.values_list("comparison", flat=True)[:CANDIDATE_LIMIT])
    return (get_comparison(random.choice(candidates)), Purpose.GOLD, None) if candidates else None


def draw_repeat(user_id, dataset):
    """One of this person's own votes of some time ago, that was not repeated yet."""
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
    return get_comparison(comparison), Purpose.REPEAT, order[::-1]


def get_comparison(pk):
    return Comparison.objects.select_related("dataset").get(pk=pk)

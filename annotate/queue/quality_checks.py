"""What a person is given among the rest though it is known already: comparisons with a known answer (gold), and their
own judgments once more with the sides swapped (repeats).

Nothing may tell them apart: the page, its script and its headers are made of the same judgment row by the same code,
both kinds are looked for whenever a dataset mixes, and the lease is written with the same statements, whatever comes of
it. Neither takes a slot of its comparison, and no export takes their choices.
"""

import random

from django.db.models import Exists, OuterRef

from datasets.models import Comparison, Gold, Judgment

REPEATED_AFTER = 20  # acts of the same person
LOOKED_AT = 200
Purpose = Judgment.Purpose


def drawn(user_id, dataset):
    """(comparison, purpose, order or None) to be leased in place of the next comparison; None for most of the time, and
    where there is nothing left of the kind that was drawn."""
    gold, repeat = next_gold(user_id, dataset), next_repeat(user_id, dataset)
    percent = 100 * random.random()
    if percent < dataset.gold_share:
        return gold
    return repeat if percent < dataset.gold_share + dataset.repeat_share else None


def next_gold(user_id, dataset):
    """A comparison with a known answer that this person has never had."""
    mine = Judgment.objects.filter(comparison=OuterRef("comparison"), annotator=user_id)
    barred = Comparison.barred.through.objects.filter(comparison=OuterRef("comparison"), user=user_id)
    left = Gold.objects.filter(dataset=dataset, for_practice=False, comparison__held=Comparison.GOLD)
    left = left.exclude(Exists(mine.exclude(state=Judgment.State.EXPIRED))).exclude(Exists(barred)).order_by("pk")
    found = list(left.values_list("comparison", flat=True)[:LOOKED_AT])
    return (comparison_of(random.choice(found)), Purpose.GOLD, None) if found else None


def next_repeat(user_id, dataset):
    """One of this person's own votes of some time ago, that was not repeated yet."""
    votes = Judgment.objects.filter(annotator=user_id, dataset=dataset, state=Judgment.State.SAVED)
    before = votes.filter(purpose=Purpose.VOTE).order_by("-decided_at")[REPEATED_AFTER : REPEATED_AFTER + LOOKED_AT]
    repeats = Judgment.objects.filter(comparison=OuterRef("comparison"), annotator=user_id, purpose=Purpose.REPEAT)
    once = Judgment.objects.filter(pk__in=[vote.pk for vote in before.only("pk")])
    once = once.exclude(Exists(repeats.exclude(state=Judgment.State.EXPIRED)))
    once = once.filter(comparison__held="", comparison__task=Comparison.Task.JUDGE)
    found = list(once.values_list("comparison", "order"))
    if not found:
        return None
    comparison, order = random.choice(found)
    return comparison_of(comparison), Purpose.REPEAT, order[::-1]


def comparison_of(pk):
    return Comparison.objects.select_related("dataset").get(pk=pk)

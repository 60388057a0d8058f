"""What is asked next, decided by what was judged: the order of the queue, and which comparisons need no more.

A comparison's priority is a level of LEVELS in its upper bits, the most informative lowest, and the number that was
drawn at import below: within a level people do not walk in step.
"""

from itertools import islice

import numpy as np
from django.db import transaction
from django.db.models import F

from analyze.columns import DatasetColumns
from analyze.maths.active_selection import (
    compute_information_gain,
    compute_sureness,
    compute_uncertainty,
    is_worth_asking,
)
from analyze.maths.predictor import TooFewChoices, fit_predictor
from annotate.models import Membership
from datasets.db.write_lock import write_turn
from datasets.models import Comparison, Dataset

LEVELS, LEVEL_SIZE = 16, 2**58
AT_ONCE = 500
FEWEST_VOTES = 2  # judgments of a comparison before it may be sure


def steer(dataset):
    """Order the queue and hold back what is sure, as the dataset's settings say. (how many moved, how many are sure)"""
    data = DatasetColumns(dataset)
    pks, first, second, levels = list_waiting(dataset)
    chance = compute_chances(data, first, second)
    moved = 0
    if dataset.order == Dataset.Order.INFORMATIVE and len(pks):
        moved = assign_levels(
            dataset, pks, levels, compute_levels(compute_informativeness(data, first, second, chance))
        )
    return moved, hold_back(data)


def list_waiting(dataset):
    """(ids, first answers, second answers, levels) of the comparisons of two answers that still want judgments."""
    rows = Comparison.objects.open().filter(dataset=dataset, task=Comparison.Task.JUDGE).order_by("pk")
    comparisons = [
        (pk, *map(int, key.split("-")), priority // LEVEL_SIZE)
        for pk, key, priority in rows.values_list("pk", "key", "priority").iterator(5000)
        if key.count("-") == 1
    ]
    return tuple(np.array(column, np.int64) for column in (zip(*comparisons, strict=True) if comparisons else [[]] * 4))


def compute_chances(data, first, second):
    """The chance that the first answer of each pair is chosen: by a model of the texts, else by the sources."""
    try:
        model = fit_model(data)
    except TooFewChoices:
        if data.strengths is None:
            return np.full(len(first), 0.5)
        return data.strengths.compute_chance(data.get_sources(first), data.get_sources(second))
    ids = np.unique(np.concatenate([first, second]))
    scores = np.concatenate(
        [model.score(list(data.fetch_texts(batch.tolist()).values())) for batch in iter_batches(ids)] or [np.zeros(0)]
    )
    places = np.searchsorted(ids, first), np.searchsorted(ids, second)
    return 1 / (1 + np.exp(scores[places[1]] - scores[places[0]]))


def fit_model(data):
    rows, choices, texts = data.sample, data.choices, data.sampled_texts
    chosen, rejected = ([texts[pk] for pk in column[rows].tolist()] for column in (choices.chosen, choices.rejected))
    return fit_predictor(chosen, rejected, choices.prompt[rows], choices.strength[rows])


def iter_batches(ids):
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]


def compute_informativeness(data, first, second, chance):
    """How much a judgment of each pair is expected to tell, 0 to 2: of the verdict itself, and of which of its two
    sources is the stronger, where that is open."""
    bits = compute_uncertainty(chance)
    if data.strengths is None:
        return bits
    codes = {name: place for place, name in enumerate(data.strengths.source.tolist())}
    first_code, second_code = (
        np.array([codes.get(name, -1) for name in data.get_sources(ids).tolist()], int) for ids in (first, second)
    )
    known = (first_code >= 0) & (second_code >= 0) & (first_code != second_code)
    gain = np.where(known, 0.0, 1.0)  # a source of which nothing is known yet tells the most
    gain[known] = compute_information_gain(first_code[known], second_code[known], data.strengths)
    gain[known] *= is_worth_asking(first_code[known], second_code[known], data.strengths)
    most = gain[known].max(initial=0) or 1.0
    return bits + np.where(known, gain / most, gain) * (first_code != second_code)


def compute_levels(informativeness):
    """0 for the most informative sixteenth, and so on."""
    rank = np.argsort(np.argsort(-informativeness, kind="stable"), kind="stable")
    return rank * LEVELS // max(len(rank), 1)


def assign_levels(dataset, pks, before, levels):
    """Give comparisons their levels, a few at a time; people begin again at the front. How many moved."""
    moved = np.flatnonzero(before != levels)
    steps = (levels - before)[moved]
    for step in sorted(set(steps.tolist())):
        ids = iter(pks[moved[steps == step]].tolist())
        while batch := list(islice(ids, AT_ONCE)):
            with write_turn(), transaction.atomic():
                Comparison.objects.filter(pk__in=batch).update(priority=F("priority") + step * LEVEL_SIZE)
    if len(moved):
        with write_turn():
            Membership.objects.filter(dataset=dataset).update(priority=-1, position=-1)
    return len(moved)


def hold_back(data):
    """Hold comparisons that are sure, and let go of those that are not any more. How many are sure."""
    sure = list_sure(data) if data.dataset.stop_when_sure else []
    held = Comparison.objects.filter(dataset=data.dataset, held=Comparison.SURE)
    let_go = sorted(set(held.values_list("pk", flat=True)) - set(sure))
    for ids, change in ((let_go, {"held": ""}), (sure, {"held": Comparison.SURE})):
        for start in range(0, len(ids), AT_ONCE):
            comparisons = Comparison.objects.filter(pk__in=ids[start : start + AT_ONCE], held__in=["", Comparison.SURE])
            with write_turn(), transaction.atomic():
                comparisons.update(**change)
    return len(sure)


def list_sure(data):
    """Ids of the comparisons of two answers that still want judgments, and of which nobody needs to be asked."""
    rows = Comparison.objects.filter(dataset=data.dataset, open_slots__gt=0, held__in=["", Comparison.SURE])
    comparisons = [
        (pk, *map(int, key.split("-")))
        for pk, key in rows.filter(task=Comparison.Task.JUDGE).order_by("pk").values_list("pk", "key").iterator(5000)
        if key.count("-") == 1
    ]
    votes = count_votes(data)
    comparisons = [
        (pk, first, second) for pk, first, second in comparisons if sum(votes.get((first, second), ())) >= FEWEST_VOTES
    ]
    if not comparisons:
        return []
    pks, first, second = (np.array(column, np.int64) for column in zip(*comparisons, strict=True))
    for_first, for_second = np.array([votes[pair] for pair in zip(first.tolist(), second.tolist(), strict=True)]).T
    return pks[compute_sureness(for_first, for_second, compute_chances(data, first, second)).is_sure].tolist()


def count_votes(data):
    """{(first answer, second): [votes for the one, for the other]}; a tie is half a vote for each."""
    choices, votes_by_pair = data.choices, {}
    for chosen, rejected, strength in zip(
        choices.chosen.tolist(), choices.rejected.tolist(), choices.strength.tolist(), strict=True
    ):
        votes = votes_by_pair.setdefault((min(chosen, rejected), max(chosen, rejected)), [0.0, 0.0])
        side = int(chosen > rejected)
        votes[side] += 1 if strength else 0.5
        votes[1 - side] += 0 if strength else 0.5
    return votes_by_pair

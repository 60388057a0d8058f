"""Steers the queue by past judgments: its order, and which comparisons need no more judgments.

The upper bits of a comparison's priority hold one of LEVELS levels, the most informative lowest. The lower bits hold
the random number drawn at import: a level is a ring, in which each annotator begins at a place of their own
(annotate/queue/places.py).
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

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
from analyze.maths.arrays import Floats, Ints
from analyze.maths.predictor import Predictor, TooFewChoices, fit_predictor
from annotate.models import Membership
from annotate.queue.places import LEVEL_SIZE, LEVELS
from datasets.db.write_lock import write_turn
from datasets.models import Comparison, Dataset

AT_ONCE = 500  # rows changed in one transaction, or texts in memory
FEWEST_VOTES = 2  # on a comparison before it can be sure


def steer(dataset: Dataset) -> tuple[int, int]:
    """(moved, sure): reorders the queue and holds sure comparisons, as the dataset's settings say."""
    data = DatasetColumns(dataset)
    pks, first, second, levels = list_waiting(dataset)
    chance = compute_chances(data, first, second)
    moved = 0
    if dataset.order == Dataset.Order.INFORMATIVE and len(pks):
        moved = assign_levels(
            dataset, pks, levels, compute_levels(compute_informativeness(data, first, second, chance))
        )
    return moved, hold_back(data)


def list_waiting(dataset: Dataset) -> tuple[Ints, Ints, Ints, Ints]:
    """(ids, first answers, second answers, levels) of the open comparisons of two answers."""
    rows = Comparison.objects.open().filter(dataset=dataset, task=Comparison.Task.JUDGE).order_by("pk")
    comparisons = [
        (pk, *map(int, key.split("-")), priority // LEVEL_SIZE)
        for pk, key, priority in rows.values_list("pk", "key", "priority").iterator(5000)
        if key.count("-") == 1
    ]
    pks, first, second, levels = (
        np.array(column, np.int64) for column in (zip(*comparisons, strict=True) if comparisons else [[]] * 4)
    )
    return pks, first, second, levels


def compute_chances(data: DatasetColumns, first: Ints, second: Ints) -> Floats:
    """(n,): the chance that the first answer of a pair is chosen, by a model of the texts, else of the sources.

    first, second: (n,), ids.
    """
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


def fit_model(data: DatasetColumns) -> Predictor:
    """The Predictor of the sampled choices.

    Raises TooFewChoices.
    """
    rows, choices, texts = data.sample, data.choices, data.sampled_texts
    chosen, rejected = ([texts[pk] for pk in column[rows].tolist()] for column in (choices.chosen, choices.rejected))
    return fit_predictor(chosen, rejected, choices.prompt[rows], choices.strength[rows])


def iter_batches(ids: Ints) -> Iterator[Ints]:
    """The ids, AT_ONCE per batch."""
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]


def compute_informativeness(data: DatasetColumns, first: Ints, second: Ints, chance: Floats) -> Floats:
    """(n,): the expected information of a judgment of each pair, 0 to 2.

    first, second: (n,), ids of answers.
    chance: (n,), that the first is chosen.

    The sum of the entropy of the verdict, in bits, and of the information about which source is stronger if that is
    open, scaled to 1.
    """
    bits = compute_uncertainty(chance)
    if data.strengths is None:
        return bits
    codes = {name: place for place, name in enumerate(data.strengths.source.tolist())}
    first_code, second_code = (
        np.array([codes.get(name, -1) for name in data.get_sources(ids).tolist()], int) for ids in (first, second)
    )
    known = (first_code >= 0) & (second_code >= 0) & (first_code != second_code)
    gain = np.where(known, 0.0, 1.0)  # a source without judgments is the most informative
    gain[known] = compute_information_gain(first_code[known], second_code[known], data.strengths)
    gain[known] *= is_worth_asking(first_code[known], second_code[known], data.strengths)
    most = gain[known].max(initial=0) or 1.0
    return bits + np.where(known, gain / most, gain) * (first_code != second_code)


def compute_levels(informativeness: Floats) -> Ints:
    """(n,): the level of each comparison, 0 for the most informative sixteenth."""
    rank = np.argsort(np.argsort(-informativeness, kind="stable"), kind="stable")
    return rank * LEVELS // max(len(rank), 1)


def assign_levels(dataset: Dataset, pks: Ints, before: Ints, levels: Ints) -> int:
    """Stores the levels of comparisons in short transactions; returns the number that moved.

    pks, before, levels: (n,), ids, current and new levels.

    If any moved, all annotators start again at their own places in the first level.
    """
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


def hold_back(data: DatasetColumns) -> int:
    """Holds the comparisons that are sure and releases the others; returns the number that are sure."""
    sure = list_sure(data) if data.dataset.stop_when_sure else []
    held = Comparison.objects.filter(dataset=data.dataset, held=Comparison.SURE)
    let_go = sorted(set(held.values_list("pk", flat=True)) - set(sure))
    changes: tuple[tuple[list[int], dict[str, Any]], ...] = (
        (let_go, {"held": ""}),
        (sure, {"held": Comparison.SURE}),
    )
    for ids, change in changes:
        for start in range(0, len(ids), AT_ONCE):
            comparisons = Comparison.objects.filter(pk__in=ids[start : start + AT_ONCE], held__in=["", Comparison.SURE])
            with write_turn(), transaction.atomic():
                comparisons.update(**change)
    return len(sure)


def list_sure(data: DatasetColumns) -> list[int]:
    """Ids of the comparisons of two answers with open slots whose outcome is already sure."""
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
    sureness = compute_sureness(for_first, for_second, compute_chances(data, first, second))
    return pks[sureness.is_sure].tolist()


def count_votes(data: DatasetColumns) -> dict[tuple[int, int], list[float]]:
    """{(first answer, second answer): [votes for first, votes for second]}; a tie is half a vote for each."""
    choices = data.choices
    votes_by_pair: dict[tuple[int, int], list[float]] = {}
    for chosen, rejected, strength in zip(
        choices.chosen.tolist(), choices.rejected.tolist(), choices.strength.tolist(), strict=True
    ):
        votes = votes_by_pair.setdefault((min(chosen, rejected), max(chosen, rejected)), [0.0, 0.0])
        side = int(chosen > rejected)
        votes[side] += 1 if strength else 0.5
        votes[1 - side] += 0 if strength else 0.5
    return votes_by_pair

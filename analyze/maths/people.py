"""How each annotator judges: rates with their intervals, and who is likely to be careless."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analyze.maths.arrays import Bools, Column, Floats, Ints
from analyze.maths.intervals import Rate, Z, compute_rate
from analyze.maths.reliability import Reliability, fit_reliability
from analyze.maths.votes import Votes


@dataclass(frozen=True)
class Difference:
    """Second minus first, with its 95 % interval. Arrays: (n,)."""

    value: Floats
    low: Floats
    high: Floats
    n: Ints


@dataclass(frozen=True)
class People:
    """The rates of each annotator, in the order of `annotator`. Arrays and Rates: (annotators,).

    Where a rate has no votes, its n is 0.
    """

    annotator: Column
    judgments: Ints
    gold: Rate  # right on gold questions
    self_consistency: Rate  # same verdict on a repeated pair
    agreement: Rate  # with others' votes on the same pair; n: votes on pairs that others judged
    left_share: Rate
    longer_share: Rate
    tie_share: Rate
    seconds_per_100_words: Rate  # the median
    drift: Difference  # of gold and agreement together, second half of the votes against the first
    since: Floats  # most likely moment of a change to coin flips, seconds since the epoch; NaN without times
    model: Reliability
    order: Ints  # indices, the strongest evidence of carelessness first
    reasons: tuple[tuple[str, ...], ...]  # (), or why an annotator is marked: the habit, then the unusual rates

    @property
    def is_marked(self) -> Bools:
        """Whether each annotator is marked as careless."""
        return self.model.is_marked


def assess_people(votes: Votes, chance: ArrayLike | None = None) -> People:
    """The People who gave these votes, ordered and marked by the evidence of their Reliability.

    chance: (n,), as in reliability.fit_reliability.

    >>> people = assess_people(Votes(annotator=["ann", "bob"], pair=[1, 1], vote=[1, 1]))
    >>> people.annotator.tolist(), people.agreement.value.tolist()
    (['ann', 'bob'], [1.0, 1.0])
    """
    names, person = np.unique(votes.annotator, return_inverse=True)
    size = len(names)
    once = ~votes.again
    is_gold = np.isfinite(votes.known)
    with_others, same = _compute_agreement(votes, once & ~is_gold)
    gold = _compute_rates(person, is_gold & once, votes.vote == votes.known, size)
    agreement = _compute_rates(person, with_others, same, size)
    had_before, as_before = _find_repeats(votes, person)
    decided = once & (votes.vote != 0)
    model = fit_reliability(votes, chance)
    rates = {
        "gold": gold,
        "self_consistency": _compute_rates(person, had_before, as_before, size),
        "agreement": agreement,
        "left_share": _compute_rates(person, decided & (votes.left != 0), votes.vote * votes.left > 0, size),
        "longer_share": _compute_rates(person, decided & (votes.longer != 0), votes.vote * votes.longer > 0, size),
        "tie_share": _compute_rates(person, once, votes.vote == 0, size),
    }
    well = np.where(is_gold, votes.vote == votes.known, same)
    return People(
        annotator=names,
        judgments=np.bincount(person, minlength=size),
        **rates,
        seconds_per_100_words=_compute_pace(votes, person, size),
        drift=_compare_halves(votes, person, once & (is_gold | with_others), well, size),
        since=_find_change_points(votes, person, once & (is_gold | with_others), well, size),
        model=model,
        order=np.lexsort((model.reliability, -model.evidence)),
        reasons=tuple(_find_reasons(n, model, rates) if model.is_marked[n] else () for n in range(size)),
    )


def _compute_rates(person: Ints, rows: Bools, hits: ArrayLike, size: int) -> Rate:
    """The Rate of hits of each person, on some rows."""
    n = np.bincount(person[rows], minlength=size)
    return compute_rate(np.bincount(person[rows], np.asarray(hits, float)[rows], size), n)


def _compute_agreement(votes: Votes, rows: Bools) -> tuple[Bools, Floats]:
    """(with_others, same): whether others voted on a vote's pair, and the share of their votes that are equal.

    rows: (n,), the votes to compare.
    """
    places = np.flatnonzero(rows)
    pair, person, vote = (_code_column(column[places]) for column in (votes.pair, votes.annotator, votes.vote))
    own = _code_column(pair * (person.max(initial=0) + 1) + person)
    several = vote.max(initial=0) + 1
    n, equal = np.zeros(len(votes)), np.zeros(len(votes))
    n[places] = _count_each(pair) - _count_each(own)
    equal[places] = _count_each(pair * several + vote) - _count_each(own * several + vote)
    return n > 0, equal / np.maximum(n, 1)


def _code_column(column: Column) -> Ints:
    return np.unique(column, return_inverse=True)[1]


def _count_each(codes: Ints) -> Ints:
    """(n,): how often each entry's code occurs in the column."""
    _, place, times = np.unique(codes, return_inverse=True, return_counts=True)
    return times[place]


def _find_repeats(votes: Votes, person: Ints) -> tuple[Bools, Bools]:
    """(had_before, as_before): whether a vote repeats an earlier one of its annotator, and whether both are equal."""
    pair = np.unique(votes.pair, return_inverse=True)[1]
    key = person * (pair.max(initial=0) + 1) + pair
    before = np.flatnonzero(~votes.again)
    keys, first = np.unique(key[before], return_index=True)
    place = np.minimum(np.searchsorted(keys, key), max(len(keys) - 1, 0))
    if not len(keys):
        return np.zeros(len(votes), bool), np.zeros(len(votes), bool)
    return votes.again & (keys[place] == key), votes.vote == votes.vote[before[first[place]]]


def _compute_pace(votes: Votes, person: Ints, size: int) -> Rate:
    """The median seconds per 100 words, with an interval of order statistics (David and Nagaraja 2003, 7.1)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        pace = 100 * votes.seconds / votes.words
    rows = np.flatnonzero(np.isfinite(pace))
    rows = rows[np.lexsort((pace[rows], person[rows]))]
    n = np.bincount(person[rows], minlength=size)
    start = np.cumsum(n) - n
    value, low, high = (np.full(size, np.nan) for _ in range(3))
    has_pace = n > 0
    half = Z * np.sqrt(n) / 2
    below = np.maximum(np.floor((n - 1) / 2 - half), 0).astype(int)
    above = np.minimum(np.ceil((n - 1) / 2 + half), n - 1).astype(int)
    sorted_pace = pace[rows]
    value[has_pace] = (sorted_pace[(start + (n - 1) // 2)[has_pace]] + sorted_pace[(start + n // 2)[has_pace]]) / 2
    low[has_pace], high[has_pace] = sorted_pace[(start + below)[has_pace]], sorted_pace[(start + above)[has_pace]]
    return Rate(value, low, high, n)


def _find_change_points(votes: Votes, person: Ints, rows: Bools, well: Floats, size: int) -> Floats:
    """(size,): the most likely moment from which on each annotator's votes are coin flips, assuming that there is one.

    Seconds since the epoch, NaN where unknown (Hinkley 1970, "Inference about the change-point in a sequence of random
    variables").
    """
    moments = np.full(size, np.nan)
    places = np.flatnonzero(rows & np.isfinite(votes.when))
    places = places[np.lexsort((votes.when[places], person[places]))]
    bounds = np.searchsorted(person[places], np.arange(size + 1))
    for who in range(size):
        own = places[bounds[who] : bounds[who + 1]]
        if len(own) < 4 or votes.when[own[0]] == votes.when[own[-1]]:
            continue
        n = np.arange(1, len(own))
        share = np.clip(np.cumsum(well[own])[:-1] / n, 0.01, 0.99)
        before = n * (share * np.log(share) + (1 - share) * np.log(1 - share))
        moments[who] = votes.when[own[1 + int((before + (len(own) - n) * np.log(0.5)).argmax())]]
    return moments


def _compare_halves(votes: Votes, person: Ints, rows: Bools, well: Floats, size: int) -> Difference:
    """The Difference of each annotator's second half of votes to the first.

    Newcombe (1998), "Interval estimation for the difference between independent proportions", method 10.
    """
    places = np.flatnonzero(rows)
    places = places[
        np.lexsort((np.where(np.isfinite(votes.when), votes.when, np.arange(len(votes)))[places], person[places]))
    ]
    n = np.bincount(person[places], minlength=size)
    turn = np.arange(len(places)) - np.repeat(np.cumsum(n) - n, n)
    late = turn >= np.repeat(n, n) // 2
    early_half, late_half = (
        compute_rate(
            np.bincount(person[places][part], well[places][part], size),
            np.bincount(person[places][part], minlength=size),
        )
        for part in (~late, late)
    )
    value = late_half.value - early_half.value
    low = value - np.hypot(late_half.value - late_half.low, early_half.high - early_half.value)
    high = value + np.hypot(late_half.high - late_half.value, early_half.value - early_half.low)
    return Difference(value, low, high, n)


def _find_reasons(place: int, model: Reliability, rates: Mapping[str, Rate]) -> tuple[str, ...]:
    """The habit, then the names of rates whose interval excludes the rate of all annotators together."""
    apart = []
    for name, people_rate in rates.items():
        with np.errstate(invalid="ignore"):
            usual = np.nansum(people_rate.value * people_rate.n) / max(people_rate.n.sum(), 1)
        if people_rate.n[place] and not people_rate.low[place] <= usual <= people_rate.high[place]:
            apart.append(name)
    return (str(model.habit[place]), *apart)

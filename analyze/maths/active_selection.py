"""Active selection: what to ask next, when to stop, and how much is left to ask."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analyze.maths.arrays import Bools, Floats, Ints
from analyze.maths.intervals import LEVEL, Z
from analyze.maths.strengths import Strengths

EQUIVALENCE_MARGIN = 0.15  # log-odds: sources closer than this (54 of 100 choices) count as equal
DRAWS = 200


def compute_information_gain(first: Ints, second: Ints, strengths: Strengths) -> Floats:
    """(n,): the expected information of one judgment of each pair about the order of the sources, in bits.

    first, second: (n,), codes of sources: indices into `strengths.source`.

    The mutual information between the outcome and "which of the two is stronger", summed over all pairs of sources
    (Lindley 1956, "On a measure of the information provided by an experiment"; for choices Houlsby et al. 2011 and
    Mikhailiuk et al. 2020, "Active sampling for pairwise comparisons"), to first order in how much one judgment moves
    each lead. A pair across components gets one bit more than the best pair within a component, whose order is known
    to some degree. strengths.MOST_SOURCES limits the size of the matrices.

    >>> from analyze.maths.strengths import fit_strengths
    >>> strengths = fit_strengths(["a"] * 30 + ["b"] * 10, ["b"] * 30 + ["a"] * 10)
    >>> compute_information_gain(np.array([0]), np.array([1]), strengths).round(4).tolist()
    [0.0003]
    """
    from scipy.special import ndtr

    size = len(strengths.source)
    row, column = np.triu_indices(size, 1)
    lead, error = compute_leads(row, column, strengths)
    chance = ndtr(lead / error)
    bits = np.exp(-((lead / error) ** 2)) / (2 * np.pi) / (2 * np.log(2) * chance * (1 - chance) + 1e-9)
    weights = np.zeros((size, size))
    weights[row, column] = weights[column, row] = -bits / error**2
    weights[np.diag_indices(size)] = -weights.sum(1)
    moved = strengths.covariance @ weights @ strengths.covariance
    own = np.diag(moved)
    lead, error = compute_leads(first, second, strengths)
    outcome = compute_variance(lead)
    gain = outcome / (1 + outcome * error**2) * (own[first] + own[second] - 2 * moved[first, second])
    apart = strengths.component[first] != strengths.component[second]
    return np.where(apart, gain[~apart].max(initial=0) + 1, gain)


def is_worth_asking(
    first: Ints, second: Ints, strengths: Strengths, level: float = LEVEL, alike: float = EQUIVALENCE_MARGIN
) -> Bools:
    """(n,): whether a pair is open, with neither its order nor its equality certain.

    first, second: (n,), codes of sources: indices into `strengths.source`.
    level: the certainty that closes a pair.
    alike: log-odds, the margin of equality.

    >>> from analyze.maths.strengths import fit_strengths
    >>> strengths = fit_strengths(["a"] * 30 + ["b"] * 10, ["b"] * 30 + ["a"] * 10)
    >>> is_worth_asking(np.array([0]), np.array([1]), strengths).tolist()
    [False]
    """
    lead, error = compute_leads(first, second, strengths)
    apart: Bools = strengths.component[first] != strengths.component[second]
    return apart | ~(_is_sure(lead, error, level) | _is_alike(lead, error, level, alike))


def compute_leads(first: ArrayLike, second: ArrayLike, strengths: Strengths) -> tuple[Floats, Floats]:
    """(lead, error): the lead of the first source of each pair in log-odds, and its standard error.

    first, second: (n,), codes of sources: indices into `strengths.source`.
    """
    covariance, own = strengths.covariance, np.diag(strengths.covariance)
    first, second = np.asarray(first), np.asarray(second)
    variance = own[first] + own[second] - 2 * covariance[first, second]
    return strengths.strength[first] - strengths.strength[second], np.sqrt(np.maximum(variance, 1e-12))


@dataclass(frozen=True)
class Sureness:
    """Which comparisons are certain enough to stop asking. Arrays: (n,)."""

    chance: Floats  # posterior, that the first answer is the better one
    is_sure: Bools
    level: float


def compute_sureness(
    for_first: ArrayLike,
    for_second: ArrayLike,
    expected: ArrayLike | None = None,
    *,
    weight: float = 2.0,
    level: float = LEVEL,
) -> Sureness:
    """The Sureness of comparisons, by their votes and a prior.

    for_first, for_second: (n,), votes; a tie is half a vote for each.
    expected: (n,), the predictor's chance of the first answer; 0.5 without it.
    weight: of the prior, in votes.
    level: the posterior chance from which on a comparison is sure.

    The chance is that of a majority for the first answer, from the Beta posterior of its share of annotators.

    >>> sureness = compute_sureness(for_first=[5, 1], for_second=[0, 1])
    >>> sureness.chance.round(2).tolist(), sureness.is_sure.tolist()
    ([0.98, 0.5], [True, False])
    """
    from scipy.special import betainc

    for_first, for_second = np.asarray(for_first, float), np.asarray(for_second, float)
    expected = np.full(len(for_first), 0.5) if expected is None else np.asarray(expected, float)
    a, b = for_first + weight * expected, for_second + weight * (1 - expected)
    chance = 1 - betainc(a, b, 0.5)
    return Sureness(chance, np.maximum(chance, 1 - chance) >= level, level)


def compute_uncertainty(chance: ArrayLike) -> Floats:
    """(n,): the entropy of each comparison's verdict, in bits; the score of uncertainty sampling (Lewis and Gale 1994).

    chance: (n,), the predictor's chance of the first answer.

    >>> compute_uncertainty([0.5, 0.9]).round(2).tolist()
    [1.0, 0.47]
    """
    return _compute_entropy(np.asarray(chance, float))


@dataclass(frozen=True)
class Forecast:
    """How many more judgments make the order certain, if the most informative pairs are asked."""

    judgments: int  # median
    low: int  # first quartile
    high: int  # third quartile
    open_pairs: tuple[tuple[int, int], ...]  # codes of neighbours whose order is open
    level: float
    alike: float


def forecast_judgments(strengths: Strengths, level: float = LEVEL, alike: float = EQUIVALENCE_MARGIN) -> Forecast:
    """The Forecast for the order of the largest component, from draws of the leads' posterior.

    level: the certainty that closes a pair.
    alike: log-odds, the margin of equality.

    Each open pair of neighbours needs judgments until its lead is sure, or sure to be less than `alike`.

    >>> from analyze.maths.strengths import fit_strengths
    >>> strengths = fit_strengths(["a"] * 30 + ["b"] * 10, ["b"] * 30 + ["a"] * 10)
    >>> forecast_judgments(strengths).judgments
    0
    """
    inside = np.flatnonzero(strengths.component == 0)
    above, below = inside[:-1], inside[1:]
    lead, error = compute_leads(above, below, strengths)
    is_open = is_worth_asking(above, below, strengths, level, alike)
    rng = np.random.default_rng(0)
    drawn = lead[is_open] + error[is_open] * rng.standard_normal((DRAWS, is_open.sum()))
    target = np.maximum(np.abs(drawn), alike) - np.where(np.abs(drawn) < alike, np.abs(drawn), 0)
    target = np.maximum(target, alike / 2) / Z
    chance = 1 / (1 + np.exp(-drawn))
    needed = np.maximum(1 / target**2 - 1 / error[is_open] ** 2, 1) / (chance * (1 - chance))
    low, middle, high = np.quantile(needed.sum(1), [0.25, 0.5, 0.75]) if is_open.any() else (0, 0, 0)
    pairs = tuple((int(a), int(b)) for a, b in zip(above[is_open], below[is_open], strict=True))
    return Forecast(int(np.ceil(middle)), int(np.ceil(low)), int(np.ceil(high)), pairs, level, alike)


def _is_sure(lead: Floats, error: Floats, level: float) -> Bools:
    from scipy.special import ndtr

    chance: Floats = ndtr(np.abs(lead) / error)
    return chance >= level


def _is_alike(lead: Floats, error: Floats, level: float, alike: float) -> Bools:
    """Whether a lead is sure to be less than `alike` (Kruschke 2018, "Rejecting or accepting parameter values")."""
    from scipy.special import ndtr

    chance: Floats = ndtr((alike - lead) / error) - ndtr((-alike - lead) / error)
    return chance >= level


def compute_variance(lead: Floats) -> Floats:
    """The variance of an outcome, 1 or 0, at this lead in log-odds."""
    chance = 1 / (1 + np.exp(-lead))
    return chance * (1 - chance)


def _compute_entropy(chance: Floats) -> Floats:
    chance = np.clip(chance, 1e-12, 1 - 1e-12)
    return -(chance * np.log2(chance) + (1 - chance) * np.log2(1 - chance))

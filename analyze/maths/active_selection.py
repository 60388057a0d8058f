"""What to ask next, when to stop, and how much is left to ask."""

from dataclasses import dataclass

import numpy as np

from analyze.maths.intervals import LEVEL, Z

EQUIVALENCE_MARGIN = 0.15  # log-odds: sources closer than that (a choice of 54 to 46) are as good as equal
DRAWS = 200


def compute_information_gain(first, second, strengths):
    """How many bits one judgment of each pair is expected to tell about the order of the sources: the mutual
    information of its outcome with "which of the two is stronger", summed over all pairs of sources (Lindley 1956, "On
    a measure of the information provided by an experiment"; for choices Houlsby et al. 2011 and Mikhailiuk et al. 2020,
    "Active sampling for pairwise comparisons"). To the first order in how much one judgment moves each lead.

    first, second: codes of sources, places in `strengths.source`; the matrices of these bound what it takes, as
    strengths.MOST_SOURCES bounds them. Of a pair in different components: a bit more than of
    any other, whose order is known to some degree.
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


def is_worth_asking(first, second, strengths, level=LEVEL, alike=EQUIVALENCE_MARGIN):
    """Which pairs are still open: neither is it sure which is the stronger, nor that they are as good as equal."""
    lead, error = compute_leads(first, second, strengths)
    apart = strengths.component[first] != strengths.component[second]
    return apart | ~(_is_sure(lead, error, level) | _is_alike(lead, error, level, alike))


def compute_leads(first, second, strengths):
    """(lead of the first, its standard error) of pairs."""
    covariance, own = strengths.covariance, np.diag(strengths.covariance)
    first, second = np.asarray(first), np.asarray(second)
    variance = own[first] + own[second] - 2 * covariance[first, second]
    return strengths.strength[first] - strengths.strength[second], np.sqrt(np.maximum(variance, 1e-12))


@dataclass(frozen=True)
class Sureness:
    """Of each comparison: the chance that its first answer is the better one, by its votes and by what was expected,
    and whether that is sure enough to ask nobody else."""

    chance: np.ndarray
    is_sure: np.ndarray
    level: float


def compute_sureness(for_first, for_second, expected=None, *, weight=2.0, level=LEVEL):
    """The Sureness of comparisons by their votes (a tie is half a vote for each): the Beta posterior of how many people
    choose the first, of being more than half. `expected` is the predictor's chance for each, worth `weight` votes."""
    from scipy.special import betainc

    for_first, for_second = np.asarray(for_first, float), np.asarray(for_second, float)
    expected = np.full(len(for_first), 0.5) if expected is None else np.asarray(expected, float)
    a, b = for_first + weight * expected, for_second + weight * (1 - expected)
    chance = 1 - betainc(a, b, 0.5)
    return Sureness(chance, np.maximum(chance, 1 - chance) >= level, level)


def compute_uncertainty(chance):
    """Bits that a judgment is expected to tell of each comparison, by a predictor's chance: the most informative first
    is uncertainty sampling (Lewis and Gale 1994)."""
    return _compute_entropy(np.asarray(chance, float))


@dataclass(frozen=True)
class Forecast:
    """About how many more judgments make the order certain, where those are asked that tell the most; half of what may
    come lies between `low` and `high`. `open_pairs` are the neighbours (codes) that are not told apart yet."""

    judgments: int
    low: int
    high: int
    open_pairs: tuple
    level: float
    alike: float


def forecast_judgments(strengths, level=LEVEL, alike=EQUIVALENCE_MARGIN):
    """The Forecast for the order of the largest component: each pair of neighbours that is open has to be asked until
    its lead is sure, or sure to be less than `alike`. Leads are drawn from what they may be by now."""
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
    return Forecast(*(int(np.ceil(n)) for n in (middle, low, high)), pairs, level, alike)


def _is_sure(lead, error, level):
    from scipy.special import ndtr

    return ndtr(np.abs(lead) / error) >= level


def _is_alike(lead, error, level, alike):
    """The chance that the lead is less than `alike` (Kruschke 2018, "Rejecting or accepting parameter values")."""
    from scipy.special import ndtr

    return ndtr((alike - lead) / error) - ndtr((-alike - lead) / error) >= level


def compute_variance(lead):
    """Of an outcome, 1 or 0, at this lead."""
    chance = 1 / (1 + np.exp(-lead))
    return chance * (1 - chance)


def _compute_entropy(chance):
    chance = np.clip(chance, 1e-12, 1 - 1e-12)
    return -(chance * np.log2(chance) + (1 - chance) * np.log2(1 - chance))

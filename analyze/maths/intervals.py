"""Rates with their 95 % intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analyze.maths.arrays import Bools, Column, Floats, Ints

LEVEL = 0.95
Z = 1.959963984540054  # of the standard normal, two-sided at LEVEL


@dataclass(frozen=True)
class Rate:
    """Shares of n with their intervals at LEVEL: arrays of one shape, or numpy scalars for a single rate.

    Where n is 0, `value` is NaN and the interval is [0, 1].
    """

    value: Floats
    low: Floats
    high: Floats
    n: Ints

    def __getitem__(self, index: int | Ints | Bools) -> "Rate":
        return Rate(self.value[index], self.low[index], self.high[index], self.n[index])


def compute_rate(hits: ArrayLike, n: ArrayLike) -> Rate:
    """The Rate of hits among n trials, element by element.

    Wilson's interval keeps its level at small n and near 0 and 1 (Wilson 1927, "Probable inference, the law of
    succession, and statistical inference"; Brown, Cai and DasGupta 2001).

    >>> rate = compute_rate(8, 10)
    >>> [round(float(number), 3) for number in (rate.value, rate.low, rate.high)]
    [0.8, 0.49, 0.943]
    """
    return _compute_wilson(np.asarray(hits, float), np.asarray(n, float), np.asarray(n))


def compute_clustered_rate(hits: ArrayLike, clusters: ArrayLike) -> Rate:
    """The Rate of hits that come in clusters, such as choices about one prompt.

    hits: (n,), 0 to 1.
    clusters: (n,), ids.

    Wilson's interval at the effective sample size: the number of independent trials that would be as informative (Korn
    and Graubard 1998; Dean and Pagano 2015). If all hits are equal, that is the number of clusters.

    >>> rate = compute_clustered_rate([1, 1, 0, 0], clusters=["p", "p", "q", "q"])
    >>> float(rate.value), int(rate.n), round(float(rate.high), 3)
    (0.5, 4, 0.945)
    """
    hits = np.asarray(hits, float)
    n = len(hits)
    if n == 0:
        return compute_rate(0, 0)
    _, codes = np.unique(np.asarray(clusters), return_inverse=True)
    share = hits.mean()
    sums = np.bincount(codes, hits - share)
    several = max(len(sums) - 1, 1)
    variance = (sums**2).sum() / n**2 * len(sums) / several
    effective = share * (1 - share) / variance if 0 < share < 1 and variance > 0 else len(sums)
    effective = min(max(effective, 1.0), n)
    return _compute_wilson(share * effective, np.asarray(effective), np.asarray(n))


def compute_weighted_rate(hits: ArrayLike, weights: ArrayLike, clusters: ArrayLike) -> Rate:
    """The Rate of weighted hits that come in clusters; see compute_clustered_rate.

    hits: (n,), 0 to 1.
    weights: (n,), positive.
    clusters: (n,), ids.

    >>> rate = compute_weighted_rate([1, 0], [3, 1], ["p", "q"])
    >>> float(rate.value), int(rate.n)
    (0.75, 2)
    """
    hits, weights = np.asarray(hits, float), np.asarray(weights, float)
    n = len(hits)
    if n == 0:
        return compute_rate(0, 0)
    _, codes = np.unique(np.asarray(clusters), return_inverse=True)
    share = (weights * hits).sum() / weights.sum()
    sums = np.bincount(codes, weights * (hits - share))  # the linearised ratio, by cluster
    sizes = np.bincount(codes, weights)
    independent = sizes.sum() ** 2 / (sizes**2).sum()  # Kish's number of clusters
    variance = (sums**2).sum() / weights.sum() ** 2 * len(sums) / max(len(sums) - 1, 1)
    effective = share * (1 - share) / variance if 0 < share < 1 and variance > 0 else independent
    effective = min(max(effective, 1.0), n)
    return _compute_wilson(share * effective, np.asarray(effective), np.asarray(n))


def _compute_wilson(hits: Floats, n: Floats, counted: Column) -> Rate:
    with np.errstate(divide="ignore", invalid="ignore"):
        share = hits / n
        middle = (hits + Z**2 / 2) / (n + Z**2)
        half = Z / (n + Z**2) * np.sqrt(np.where(n > 0, share * (1 - share) * n, 0) + Z**2 / 4)
    low = np.where(hits <= 0, 0.0, np.maximum(middle - half, 0))
    high = np.where(hits >= n, 1.0, np.minimum(middle + half, 1))
    return Rate(share[()], low[()], high[()], counted[()])


def compute_bootstrap_interval(column: Floats, level: float = LEVEL) -> tuple[float, float]:
    """(low, high): the percentile interval of a bootstrap's values; ignores NaN.

    column: (draws,).

    >>> [round(float(end), 1) for end in compute_bootstrap_interval(np.arange(101.0))]
    [2.5, 97.5]
    """
    tail = (1 - level) / 2
    low, high = np.nanquantile(column, [tail, 1 - tail], axis=0)
    return low, high

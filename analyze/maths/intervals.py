"""Rates with their 95 % intervals."""

from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
Z = 1.959963984540054  # of a normal variable, two-sided at LEVEL


@dataclass(frozen=True)
class Rate:
    """Shares of n with their intervals at LEVEL; arrays where there are many. `value` is NaN and the interval [0, 1]
    where n is 0."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray

    def __getitem__(self, index):
        return Rate(self.value[index], self.low[index], self.high[index], self.n[index])


def compute_rate(hits, n):
    """The rate of hits among n. Wilson (1927), "Probable inference, the law of succession, and statistical inference":
    its interval keeps its level at few judgments and near 0 and 1 (Brown, Cai and DasGupta 2001)."""
    return _compute_wilson(np.asarray(hits, float), np.asarray(n, float), np.asarray(n))


def compute_clustered_rate(hits, clusters):
    """The rate of a column of hits (0 to 1) that come in clusters, as choices about one prompt do: Wilson's interval of
    the n that would say as much if all were independent (Korn and Graubard 1998; Dean and Pagano 2015). Where all went
    one way, of the n of clusters."""
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


def _compute_wilson(hits, n, counted):
    with np.errstate(divide="ignore", invalid="ignore"):
        share = hits / n
        middle = (hits + Z**2 / 2) / (n + Z**2)
        half = Z / (n + Z**2) * np.sqrt(np.where(n > 0, share * (1 - share) * n, 0) + Z**2 / 4)
    low = np.where(hits <= 0, 0.0, np.maximum(middle - half, 0))
    high = np.where(hits >= n, 1.0, np.minimum(middle + half, 1))
    return Rate(share[()], low[()], high[()], counted[()])


def compute_bootstrap_interval(column, level=LEVEL):
    """(low, high) of a bootstrap's values along the first axis, not-a-numbers left out."""
    tail = (1 - level) / 2
    return tuple(np.nanquantile(column, [tail, 1 - tail], axis=0))

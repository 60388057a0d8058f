"""Rank intervals of sources, and groups of sources that differ significantly."""

import numpy as np

from analyze.maths.arrays import Bools, Floats, Ints
from analyze.maths.intervals import LEVEL

DRAWS = 2000


def compute_rank_intervals(strengths: Floats, covariance: Floats) -> tuple[Ints, Ints, Ints]:
    """(low, high, group) of each source: the ends of its rank interval, and its group, both from 1.

    strengths: (n,), log-odds.
    covariance: (n, n), of the strengths.

    Ranks: from simultaneous intervals at LEVEL of a source's differences to all others (Mogstad, Romano, Shaikh and
    Wilhelm 2024, "Inference for ranks"). Groups: clusters as in WMT, where every source above differs from every source
    below, at LEVEL for all pairs together (Koehn 2012, "Simulating human judgment in machine translation evaluation
    campaigns").

    >>> low, high, group = compute_rank_intervals(np.array([2.0, 0.1, 0.0]), np.eye(3) * 0.01)
    >>> low.tolist(), high.tolist(), group.tolist()
    ([1, 2, 2], [1, 3, 3], [1, 2, 2])
    """
    n = len(strengths)
    if n < 2:
        return np.ones(n, int), np.ones(n, int), np.ones(n, int)
    own = np.diag(covariance)
    error = np.sqrt(np.maximum(own[:, None] + own[None, :] - 2 * covariance, 0)) + 1e-12
    leads = (strengths[:, None] - strengths[None, :]) / error
    np.fill_diagonal(leads, 0)
    of_each, of_all = compute_critical_values(covariance, error)
    low = 1 + (leads < -of_each[:, None]).sum(1)
    high = n - (leads > of_each[:, None]).sum(1)
    return low, high, _assign_clusters(strengths, leads > of_all)


def compute_critical_values(covariance: Floats, error: Floats) -> tuple[Floats, float]:
    """(per source, overall): LEVEL quantiles of the largest difference under chance, in standard errors.

    covariance: (n, n), of the strengths.
    error: (n, n), standard errors of the differences.
    Per source: (n,), the largest difference to any other; overall: the largest of all pairs.
    """
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    n = len(covariance)
    drawn = np.random.default_rng(0).standard_normal((DRAWS, n)) @ root.T
    largest = np.empty((n, DRAWS))
    for source in range(n):
        largest[source] = (np.abs(drawn[:, [source]] - drawn) / error[source]).max(1)
    return np.quantile(largest, LEVEL, axis=1), np.quantile(largest.max(0), LEVEL)


def _assign_clusters(strengths: Floats, over: Bools) -> Ints:
    """(n,), from 1; over: (n, n), whether row is significantly stronger than column."""
    order = np.argsort(-strengths, kind="stable")
    sorted_over = over[np.ix_(order, order)]
    group, groups = 1, np.empty(len(order), int)
    for place, source in enumerate(order):
        if place and sorted_over[:place, place:].all():
            group += 1
        groups[source] = group
    return groups

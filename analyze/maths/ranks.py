"""Between which ranks each source stands, and which sources are told apart."""

import numpy as np

from analyze.maths.intervals import LEVEL

DRAWS = 2000


def compute_rank_intervals(strengths, covariance):
    """(low, high, group) of each source. The ranks: Mogstad, Romano, Shaikh and Wilhelm (2024), "Inference for ranks",
    from intervals of its differences to all others that hold together at LEVEL. The groups, from 1: clusters as WMT
    cuts them (Koehn 2012, "Simulating human judgment in machine translation evaluation campaigns"), where everybody
    above is told apart from everybody below, at LEVEL for all pairs together."""
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


def compute_critical_values(covariance, error):
    """How large, in standard errors, the largest difference from each source grows by chance, and that of all pairs."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    n = len(covariance)
    drawn = np.random.default_rng(0).standard_normal((DRAWS, n)) @ root.T
    largest = np.empty((n, DRAWS))
    for source in range(n):
        largest[source] = (np.abs(drawn[:, [source]] - drawn) / error[source]).max(1)
    return np.quantile(largest, LEVEL, axis=1), np.quantile(largest.max(0), LEVEL)


def _assign_clusters(strengths, over):
    order = np.argsort(-strengths, kind="stable")
    sorted_over = over[np.ix_(order, order)]
    group, groups = 1, np.empty(len(order), int)
    for place, source in enumerate(order):
        if place and sorted_over[:place, place:].all():
            group += 1
        groups[source] = group
    return groups

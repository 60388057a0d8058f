"""How strong each source is: Bradley-Terry with ties, intervals, ranks, and what length and side have to do with it."""

from dataclasses import dataclass

import numpy as np

from analyze.maths.connectivity import Connectivity, connectivity
from analyze.maths.counts import columns
from analyze.maths.davidson import Rows, fit, sandwich
from analyze.maths.intervals import Z, rate
from analyze.maths.ranks import rank_intervals

MOST_SOURCES = 300  # matrices grow with their square, a fit with its cube
CLUSTERS_A_SOURCE = 5  # with fewer the sandwich is too narrow: the model's own intervals then


@dataclass(frozen=True)
class Matrix:
    """Row against column: wins, ties, and the share won (a tie is half) with its interval."""

    source: np.ndarray
    wins: np.ndarray
    ties: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Effect:
    """What one unit of a control adds to the log-odds of being chosen."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Strengths:
    """A line for each source, the strongest of the largest component first. Strengths are log-odds, mean 0 in each
    component; those of different components cannot be compared. Ranks and groups count within a component."""

    source: np.ndarray
    strength: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rank_low: np.ndarray
    rank_high: np.ndarray
    group: np.ndarray
    judgments: np.ndarray
    component: np.ndarray
    covariance: np.ndarray
    effects: tuple  # of Effect, one for each control
    tie: float | None  # log of Davidson's parameter: exp(tie) is the odds of a tie of equals against either
    connectivity: Connectivity  # its codes are places in `source`
    choices: int
    within: int  # choices left out: both answers are of one source, or one is of a source beyond MOST_SOURCES
    is_weighted: bool
    intervals: str  # "model" or "sandwich"
    is_settled: bool  # the fit came to rest

    def chance(self, first, second):
        """The chance that the one is chosen over the other, ties aside, of columns of names; 0.5 where that is not
        known."""
        codes = {name: place for place, name in enumerate(self.source.tolist())}
        one = np.array([codes.get(name, -1) for name in np.asarray(first).tolist()], int)
        other = np.array([codes.get(name, -1) for name in np.asarray(second).tolist()], int)
        strengths, component = np.append(self.strength, 0), np.append(self.component, -1)
        known = (component[one] == component[other]) & (one >= 0) & (other >= 0)
        return 1 / (1 + np.exp(-np.where(known, strengths[one] - strengths[other], 0)))


def strengths(chosen, rejected, strength=None, *, weights=None, clusters=None, controls=None):
    """The Strengths of the sources in columns of choices; of the MOST_SOURCES that were judged the most.

    `weights` (say, of each annotator's reliability) and `clusters` (say, the prompt of each choice) ask for intervals
    that hold with them. `controls` are columns by name, each a difference of chosen to rejected (of a tie: first to
    second): "style control" as Li, Angelopoulos and Chiang (2024), "Does style matter?", and side likewise.
    """
    names, first, second, tie, kept = coded(chosen, rejected, strength)
    weight = np.ones(len(first)) if weights is None else np.asarray(weights, float)[kept]
    named = {name: np.asarray(column, float)[kept] for name, column in (controls or {}).items()}
    rows = _rows(first, second, tie, weight, named)
    wins, ties = matrices(rows, len(names))
    graph = connectivity(wins, ties)
    found = fit(rows if named else aggregated(wins, ties), graph.component)
    covariance, how = found.covariance, "model"
    if len(first) and (weights is not None or clusters is not None):
        own = (
            np.arange(len(first)) if clusters is None else np.unique(np.asarray(clusters)[kept], return_inverse=True)[1]
        )
        if own.max() + 1 >= CLUSTERS_A_SOURCE * len(names):
            covariance, how = sandwich(rows, found, own), "sandwich"
    judged = np.bincount(first, minlength=len(names)) + np.bincount(second, minlength=len(names))
    return _result(names, found, covariance, graph, judged, tuple(named), choices=len(first), within=int((~kept).sum()),
                   is_weighted=weights is not None, intervals=how)  # fmt: skip


def strengths_within(parts, chosen, rejected, strength=None, **options):
    """{name: Strengths} of parts of the choices, such as a tag or a language: `parts` are columns of true and false by
    name."""
    chosen, rejected, strength = columns(chosen, rejected, strength)
    found = {}
    for name, part in parts.items():
        part = np.asarray(part, bool)
        cut = {key: np.asarray(column)[part] for key, column in options.items() if key in ("weights", "clusters")}
        if options.get("controls"):
            cut["controls"] = {key: np.asarray(column)[part] for key, column in options["controls"].items()}
        found[name] = strengths(chosen[part], rejected[part], strength[part], **cut)
    return found


def length_control(chosen_length, rejected_length):
    """The control of length: the difference over the sum, in standard deviations (as Li et al. 2024)."""
    chosen_length, rejected_length = np.asarray(chosen_length, float), np.asarray(rejected_length, float)
    found = (chosen_length - rejected_length) / np.maximum(chosen_length + rejected_length, 1)
    return found / (np.sqrt((found**2).mean()) or 1.0) if len(found) else found


def win_matrix(chosen, rejected, strength=None):
    """The Matrix of who won against whom, sources by name; of the MOST_SOURCES that were judged the most."""
    names, first, second, tie, _ = coded(chosen, rejected, strength)
    wins, ties = matrices(_rows(first, second, tie, np.ones(len(first)), {}), len(names))
    share = rate(wins + ties / 2, wins + wins.T + ties)
    return Matrix(names, wins.astype(int), ties.astype(int), share.value, share.low, share.high)


def coded(chosen, rejected, strength):
    """(names, codes of chosen, codes of rejected, whether tied, which rows are kept: see between_the_most_judged)"""
    chosen, rejected, strength = columns(chosen, rejected, strength)
    kept = between_the_most_judged(chosen, rejected)
    names, codes = np.unique(np.concatenate([chosen[kept], rejected[kept]]), return_inverse=True)
    n = int(kept.sum())
    return names, codes[:n], codes[n:], strength[kept] == 0, kept


def between_the_most_judged(chosen, rejected):
    """Which rows are between two different ones of the MOST_SOURCES sources with the most rows."""
    kept = chosen != rejected
    names, codes, judged = np.unique(
        np.concatenate([chosen[kept], rejected[kept]]), return_inverse=True, return_counts=True
    )
    if len(names) <= MOST_SOURCES:
        return kept
    among = np.isin(codes, np.argsort(-judged, kind="stable")[:MOST_SOURCES])
    n = len(codes) // 2
    kept[kept] = among[:n] & among[n:]
    return kept


def _rows(first, second, tie, weight, named):
    controls = np.column_stack(list(named.values())) if named else np.zeros((len(first), 0))
    return Rows(first, second, np.where(tie, 0, weight), np.where(tie, weight, 0), np.zeros(len(first)), controls)


def matrices(rows, size):
    """(wins, ties): row over column, and between the two."""
    place = rows.first * size + rows.second
    wins = np.bincount(place, rows.won, size**2).reshape(size, size)
    ties = np.bincount(place, rows.tied, size**2).reshape(size, size)
    return wins, ties + ties.T


def aggregated(wins, ties):
    """The Rows of two matrices, one for each pair that was compared."""
    first, second = np.nonzero(np.triu(wins + wins.T + ties, 1))
    none = np.zeros((len(first), 0))
    return Rows(first, second, wins[first, second], ties[first, second], wins[second, first], none)


def _result(names, found, covariance, graph, judged, controls, **counted):
    size = len(names)
    order = np.lexsort((-found.strengths, graph.component))
    low, high, group = (np.zeros(size, int) for _ in range(3))
    for part in range(graph.component.max(initial=-1) + 1):
        inside = np.flatnonzero(graph.component == part)
        ranks = rank_intervals(found.strengths[inside], covariance[np.ix_(inside, inside)])
        low[inside], high[inside], group[inside] = ranks
    error = Z * np.sqrt(np.maximum(np.diag(covariance), 0))
    effects = tuple(
        Effect(name, float(value), float(value - half), float(value + half))
        for name, value, half in zip(controls, found.effects, error[size:], strict=False)
    )
    place = np.argsort(order)
    leads = tuple((tuple(int(place[k]) for k in a), tuple(int(place[k]) for k in b)) for a, b in graph.leads)
    return Strengths(
        names[order],
        found.strengths[order],
        (found.strengths - error[:size])[order],
        (found.strengths + error[:size])[order],
        low[order],
        high[order],
        group[order],
        judged[order],
        graph.component[order],
        covariance[np.ix_(order, order)],
        effects,
        found.tie,
        Connectivity(graph.component[order], leads),
        is_settled=found.is_settled,
        **counted,
    )

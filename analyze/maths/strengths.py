"""How strong each source is: Bradley-Terry with ties, intervals, ranks, and what length and side have to do with it."""

from dataclasses import dataclass

import numpy as np

from analyze.maths.connectivity import Connectivity, compute_connectivity
from analyze.maths.counts import align_columns
from analyze.maths.davidson import PairOutcomes, compute_sandwich, fit_davidson
from analyze.maths.intervals import Z, compute_rate
from analyze.maths.ranks import compute_rank_intervals

MOST_SOURCES = 300  # matrices grow with their square, a fit with its cube
CLUSTERS_PER_SOURCE = 5  # with fewer the sandwich is too narrow: the model's own intervals then


@dataclass(frozen=True)
class WinMatrix:
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
    has_converged: bool  # the fit

    def compute_chance(self, first, second):
        """The chance that the one is chosen over the other, ties aside, of columns of names; 0.5 where that is not
        known."""
        codes = {name: place for place, name in enumerate(self.source.tolist())}
        first_code = np.array([codes.get(name, -1) for name in np.asarray(first).tolist()], int)
        second_code = np.array([codes.get(name, -1) for name in np.asarray(second).tolist()], int)
        strengths, component = np.append(self.strength, 0), np.append(self.component, -1)
        known = (component[first_code] == component[second_code]) & (first_code >= 0) & (second_code >= 0)
        return 1 / (1 + np.exp(-np.where(known, strengths[first_code] - strengths[second_code], 0)))


def fit_strengths(chosen, rejected, strength=None, *, weights=None, clusters=None, controls=None):
    """The Strengths of the sources in columns of choices; of the MOST_SOURCES that were judged the most.

    `weights` (say, of each annotator's reliability) and `clusters` (say, the prompt of each choice) ask for intervals
    that hold with them. `controls` are columns by name, each a difference of chosen to rejected (of a tie: first to
    second): "style control" as Li, Angelopoulos and Chiang (2024), "Does style matter?", and side likewise.
    """
    names, first, second, tie, included = code_sources(chosen, rejected, strength)
    weight = np.ones(len(first)) if weights is None else np.asarray(weights, float)[included]
    named_controls = {name: np.asarray(column, float)[included] for name, column in (controls or {}).items()}
    rows = _build_rows(first, second, tie, weight, named_controls)
    wins, ties = build_matrices(rows, len(names))
    graph = compute_connectivity(wins, ties)
    fitted = fit_davidson(rows if named_controls else aggregate_rows(wins, ties), graph.component)
    covariance, kind = fitted.covariance, "model"
    if len(first) and (weights is not None or clusters is not None):
        own = (
            np.arange(len(first))
            if clusters is None
            else np.unique(np.asarray(clusters)[included], return_inverse=True)[1]
        )
        if own.max() + 1 >= CLUSTERS_PER_SOURCE * len(names):
            covariance, kind = compute_sandwich(rows, fitted, own), "sandwich"
    judged = np.bincount(first, minlength=len(names)) + np.bincount(second, minlength=len(names))
    return _build_result(
        names,
        fitted,
        covariance,
        graph,
        judged,
        tuple(named_controls),
        choices=len(first),
        within=int((~included).sum()),
        is_weighted=weights is not None,
        intervals=kind,
    )


def fit_strengths_by_part(parts, chosen, rejected, strength=None, **options):
    """{name: Strengths} of parts of the choices, such as a tag or a language: `parts` are columns of true and false by
    name."""
    chosen, rejected, strength = align_columns(chosen, rejected, strength)
    by_part = {}
    for name, part in parts.items():
        part = np.asarray(part, bool)
        cut = {key: np.asarray(column)[part] for key, column in options.items() if key in ("weights", "clusters")}
        if options.get("controls"):
            cut["controls"] = {key: np.asarray(column)[part] for key, column in options["controls"].items()}
        by_part[name] = fit_strengths(chosen[part], rejected[part], strength[part], **cut)
    return by_part


def compute_length_control(chosen_length, rejected_length):
    """The control of length: the difference over the sum, in standard deviations (as Li et al. 2024)."""
    chosen_length, rejected_length = np.asarray(chosen_length, float), np.asarray(rejected_length, float)
    difference = (chosen_length - rejected_length) / np.maximum(chosen_length + rejected_length, 1)
    return difference / (np.sqrt((difference**2).mean()) or 1.0) if len(difference) else difference


def compute_win_matrix(chosen, rejected, strength=None):
    """The WinMatrix of who won against whom, sources by name; of the MOST_SOURCES that were judged the most."""
    names, first, second, tie, _ = code_sources(chosen, rejected, strength)
    wins, ties = build_matrices(_build_rows(first, second, tie, np.ones(len(first)), {}), len(names))
    share = compute_rate(wins + ties / 2, wins + wins.T + ties)
    return WinMatrix(names, wins.astype(int), ties.astype(int), share.value, share.low, share.high)


def code_sources(chosen, rejected, strength):
    """(names, codes of chosen, codes of rejected, whether tied, which rows are kept: see pick_most_judged)"""
    chosen, rejected, strength = align_columns(chosen, rejected, strength)
    included = pick_most_judged(chosen, rejected)
    names, codes = np.unique(np.concatenate([chosen[included], rejected[included]]), return_inverse=True)
    n = int(included.sum())
    return names, codes[:n], codes[n:], strength[included] == 0, included


def pick_most_judged(chosen, rejected):
    """Which rows are between two different ones of the MOST_SOURCES sources with the most rows."""
    included = chosen != rejected
    names, codes, judged = np.unique(
        np.concatenate([chosen[included], rejected[included]]), return_inverse=True, return_counts=True
    )
    if len(names) <= MOST_SOURCES:
        return included
    is_most_judged = np.isin(codes, np.argsort(-judged, kind="stable")[:MOST_SOURCES])
    n = len(codes) // 2
    included[included] = is_most_judged[:n] & is_most_judged[n:]
    return included


def _build_rows(first, second, tie, weight, named_controls):
    controls = np.column_stack(list(named_controls.values())) if named_controls else np.zeros((len(first), 0))
    return PairOutcomes(
        first, second, np.where(tie, 0, weight), np.where(tie, weight, 0), np.zeros(len(first)), controls
    )


def build_matrices(rows, size):
    """(wins, ties): row over column, and between the two."""
    place = rows.first * size + rows.second
    wins = np.bincount(place, rows.won, size**2).reshape(size, size)
    ties = np.bincount(place, rows.tied, size**2).reshape(size, size)
    return wins, ties + ties.T


def aggregate_rows(wins, ties):
    """The PairOutcomes of two matrices, one for each pair that was compared."""
    first, second = np.nonzero(np.triu(wins + wins.T + ties, 1))
    none = np.zeros((len(first), 0))
    return PairOutcomes(first, second, wins[first, second], ties[first, second], wins[second, first], none)


def _build_result(names, fitted, covariance, graph, judged, controls, **counted):
    size = len(names)
    order = np.lexsort((-fitted.strengths, graph.component))
    low, high, group = (np.zeros(size, int) for _ in range(3))
    for part in range(graph.component.max(initial=-1) + 1):
        inside = np.flatnonzero(graph.component == part)
        ranks = compute_rank_intervals(fitted.strengths[inside], covariance[np.ix_(inside, inside)])
        low[inside], high[inside], group[inside] = ranks
    error = Z * np.sqrt(np.maximum(np.diag(covariance), 0))
    effects = tuple(
        Effect(name, float(value), float(value - half), float(value + half))
        for name, value, half in zip(controls, fitted.effects, error[size:], strict=False)
    )
    place = np.argsort(order)
    leads = tuple((tuple(int(place[k]) for k in a), tuple(int(place[k]) for k in b)) for a, b in graph.leads)
    return Strengths(
        names[order],
        fitted.strengths[order],
        (fitted.strengths - error[:size])[order],
        (fitted.strengths + error[:size])[order],
        low[order],
        high[order],
        group[order],
        judged[order],
        graph.component[order],
        covariance[np.ix_(order, order)],
        effects,
        fitted.tie,
        Connectivity(graph.component[order], leads),
        has_converged=fitted.has_converged,
        **counted,
    )

"""The strength of each source: Bradley-Terry with ties, intervals, ranks, and the effects of length and side."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack, cast

import numpy as np
from numpy.typing import ArrayLike

from analyze.maths.arrays import Bools, Column, Floats, Ints, code_column
from analyze.maths.connectivity import Connectivity, compute_connectivity
from analyze.maths.counts import align_columns
from analyze.maths.davidson import Fit, PairOutcomes, compute_sandwich, fit_davidson
from analyze.maths.intervals import Z, compute_rate
from analyze.maths.ranks import compute_rank_intervals

MOST_SOURCES = 300  # matrices grow with its square, the time of a fit with its cube
CLUSTERS_PER_SOURCE = 5  # with fewer, the sandwich is too narrow, and the model's own intervals are used
Intervals = Literal["model", "sandwich"]


@dataclass(frozen=True)
class WinMatrix:
    """Row against column: wins, ties, and the share won (a tie is half a win) with its interval.

    Matrices: (sources, sources).
    """

    source: Column
    wins: Ints
    ties: Ints
    share: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Effect:
    """The change in the log-odds of being chosen per unit of a control, with its 95 % interval."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Strengths:
    """The sources, strongest first, the largest component before the others.

    Arrays: (sources,); covariance: (sources, sources).
    Strengths are log-odds with mean 0 in each component; those of different components are not comparable. Ranks and
    groups count within a component, from 1.
    """

    source: Column
    strength: Floats
    low: Floats
    high: Floats
    rank_low: Ints
    rank_high: Ints
    group: Ints
    judgments: Ints
    component: Ints
    covariance: Floats
    effects: tuple[Effect, ...]  # one per control
    tie: float | None  # log of Davidson's parameter: exp(tie) is the odds of a tie of equals against either
    connectivity: Connectivity  # its codes are indices into `source`
    choices: int
    within: int  # choices left out: both answers are of one source, or one is of a source beyond MOST_SOURCES
    is_weighted: bool
    intervals: Intervals
    has_converged: bool

    def compute_chance(self, first: ArrayLike, second: ArrayLike) -> Floats:
        """(n,): the chance that the first source is chosen over the second, given no tie; 0.5 if unknown.

        first, second: (n,), names.
        """
        codes = {name: place for place, name in enumerate(self.source.tolist())}
        first_code = np.array([codes.get(name, -1) for name in np.asarray(first).tolist()], int)
        second_code = np.array([codes.get(name, -1) for name in np.asarray(second).tolist()], int)
        strengths, component = np.append(self.strength, 0), np.append(self.component, -1)
        known = (component[first_code] == component[second_code]) & (first_code >= 0) & (second_code >= 0)
        return 1 / (1 + np.exp(-np.where(known, strengths[first_code] - strengths[second_code], 0)))


class FitOptions(TypedDict, total=False):
    """The keyword arguments of fit_strengths."""

    weights: ArrayLike | None
    clusters: ArrayLike | None
    controls: Mapping[str, ArrayLike] | None


def fit_strengths(
    chosen: ArrayLike,
    rejected: ArrayLike,
    strength: ArrayLike | None = None,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    controls: Mapping[str, ArrayLike] | None = None,
) -> Strengths:
    """The Strengths of the MOST_SOURCES most judged sources in columns of choices.

    chosen, rejected: (n,), names of sources.
    strength: (n,), 0 for a tie.
    weights: (n,), such as the reliability of each choice's annotator.
    clusters: (n,), such as the prompt of each choice.
    controls: {name: (n,)}, differences of chosen to rejected (for a tie, of first to second).

    With weights or clusters, the intervals allow for them. Controls for style as in Li, Angelopoulos and Chiang (2024),
    "Does style matter?"; the side is controlled for in the same way.

    >>> strengths = fit_strengths(["a"] * 30 + ["b"] * 10, ["b"] * 30 + ["a"] * 10)
    >>> strengths.source.tolist(), strengths.strength.round(2).tolist(), strengths.group.tolist()
    (['a', 'b'], [0.53, -0.53], [1, 2])
    """
    names, first, second, tie, included = code_sources(chosen, rejected, strength)
    weight = np.ones(len(first)) if weights is None else np.asarray(weights, float)[included]
    named_controls = {name: np.asarray(column, float)[included] for name, column in (controls or {}).items()}
    rows = _build_rows(first, second, tie, weight, named_controls)
    wins, ties = build_matrices(rows, len(names))
    graph = compute_connectivity(wins, ties)
    fitted = fit_davidson(rows if named_controls else aggregate_rows(wins, ties), graph.component)
    covariance = fitted.covariance
    kind: Intervals = "model"
    if len(first) and (weights is not None or clusters is not None):
        own = np.arange(len(first)) if clusters is None else code_column(np.asarray(clusters)[included])[1]
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


def fit_strengths_by_part(
    parts: Mapping[str, ArrayLike],
    chosen: ArrayLike,
    rejected: ArrayLike,
    strength: ArrayLike | None = None,
    **options: Unpack[FitOptions],
) -> dict[str, Strengths]:
    """{name: Strengths} of parts of the choices, such as a tag or a language.

    parts: {name: (n,)}, masks.
    chosen, rejected, strength, options: as in fit_strengths.

    >>> parts = fit_strengths_by_part({"tag:poem": [True, True, False]}, ["a", "a", "b"], ["b", "b", "a"])
    >>> parts["tag:poem"].source.tolist(), parts["tag:poem"].choices
    (['a', 'b'], 2)
    """
    chosen, rejected, strength = align_columns(chosen, rejected, strength)
    by_part = {}
    for name, part in parts.items():
        part = np.asarray(part, bool)
        cut: dict[str, Any] = {
            key: np.asarray(column)[part] for key, column in options.items() if key in ("weights", "clusters")
        }
        if controls := options.get("controls"):
            cut["controls"] = {key: np.asarray(column)[part] for key, column in controls.items()}
        by_part[name] = fit_strengths(chosen[part], rejected[part], strength[part], **cut)
    return by_part


def compute_length_control(chosen_length: ArrayLike, rejected_length: ArrayLike) -> Floats:
    """(n,): the length control, difference over sum, in standard deviations (Li et al. 2024).

    chosen_length, rejected_length: (n,), characters.

    >>> compute_length_control([300, 100], [100, 300]).tolist()
    [1.0, -1.0]
    """
    chosen_length, rejected_length = np.asarray(chosen_length, float), np.asarray(rejected_length, float)
    difference: Floats = (chosen_length - rejected_length) / np.maximum(chosen_length + rejected_length, 1)
    return difference / (np.sqrt((difference**2).mean()) or 1.0) if len(difference) else difference


def compute_win_matrix(chosen: ArrayLike, rejected: ArrayLike, strength: ArrayLike | None = None) -> WinMatrix:
    """The WinMatrix of the MOST_SOURCES most judged sources, by name.

    chosen, rejected: (n,), names of sources.
    strength: (n,), 0 for a tie.

    >>> matrix = compute_win_matrix(["a", "a", "b"], ["b", "b", "a"])
    >>> matrix.source.tolist(), matrix.wins.tolist()
    (['a', 'b'], [[0, 2], [1, 0]])
    """
    names, first, second, tie, _ = code_sources(chosen, rejected, strength)
    wins, ties = build_matrices(_build_rows(first, second, tie, np.ones(len(first)), {}), len(names))
    share = compute_rate(wins + ties / 2, wins + wins.T + ties)
    return WinMatrix(names, wins.astype(int), ties.astype(int), share.value, share.low, share.high)


def code_sources(
    chosen: ArrayLike, rejected: ArrayLike, strength: ArrayLike | None
) -> tuple[Column, Ints, Ints, Bools, Bools]:
    """(names, first, second, tie, included): the sources, and the rows of choices as codes.

    names: (sources,).
    first, second, tie: (kept,), codes of chosen and rejected, and whether tied.
    included: (n,), the rows kept, see pick_most_judged.
    """
    chosen, rejected, strength = align_columns(chosen, rejected, strength)
    included = pick_most_judged(chosen, rejected)
    names, codes = code_column(np.concatenate([chosen[included], rejected[included]]))
    n = int(included.sum())
    return names, codes[:n], codes[n:], strength[included] == 0, included


def pick_most_judged(chosen: Column, rejected: Column) -> Bools:
    """(n,): whether a row compares two different sources, both among the MOST_SOURCES with the most rows."""
    included: Bools = chosen != rejected
    names, codes = code_column(np.concatenate([chosen[included], rejected[included]]))
    if len(names) <= MOST_SOURCES:
        return included
    is_most_judged = np.isin(codes, np.argsort(-np.bincount(codes), kind="stable")[:MOST_SOURCES])
    n = len(codes) // 2
    included[included] = is_most_judged[:n] & is_most_judged[n:]
    return included


def _build_rows(
    first: Ints, second: Ints, tie: Bools, weight: Floats, named_controls: Mapping[str, Floats]
) -> PairOutcomes:
    controls = np.column_stack(list(named_controls.values())) if named_controls else np.zeros((len(first), 0))
    return PairOutcomes(
        first, second, np.where(tie, 0, weight), np.where(tie, weight, 0), np.zeros(len(first)), controls
    )


def build_matrices(rows: PairOutcomes, size: int) -> tuple[Floats, Floats]:
    """(wins, ties): (size, size) each; wins of row over column, and symmetric ties."""
    place = rows.first * size + rows.second
    wins = np.bincount(place, rows.won, size**2).reshape(size, size)
    ties = np.bincount(place, rows.tied, size**2).reshape(size, size)
    return cast(Floats, wins), cast(Floats, ties + ties.T)  # numpy's stubs say integers, weights or not


def aggregate_rows(wins: Floats, ties: Floats) -> PairOutcomes:
    """The PairOutcomes of two matrices, one row per compared pair."""
    first, second = np.nonzero(np.triu(wins + wins.T + ties, 1))
    none = np.zeros((len(first), 0))
    return PairOutcomes(first, second, wins[first, second], ties[first, second], wins[second, first], none)


def _build_result(
    names: Column,
    fitted: Fit,
    covariance: Floats,
    graph: Connectivity,
    judged: Ints,
    controls: tuple[str, ...],
    **counted: Any,
) -> Strengths:
    """The Strengths from a fit; counted: the fields that it takes unchanged."""
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

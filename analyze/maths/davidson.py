"""Davidson's model of choices with ties: fits strengths, a tie parameter and effects of controls.

First, tie and second have the odds exp(d / 2) : exp(tie) : exp(-d / 2), where d is the difference of the two strengths
in log-odds (Davidson 1970, "On extending the Bradley-Terry model to accommodate ties in paired comparison experiments",
JASA 65). Without ties this is the Bradley-Terry model. The fit counts a tie as half a win for each side, and its
log-odds remain those of a choice. (Half wins in a model without ties would pull all sources together.)

Firth's bias reduction (1993, Biometrika 80) keeps the strength of a source that never lost finite. Each pair receives
as many pseudo-votes, half a win each, as its votes have leverage: in total one less than the number of sources. One
more pseudo-vote, half of it a tie, keeps the tie parameter finite.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np

from analyze.maths.arrays import Floats, Ints

MOST_STEPS, TOLERANCE, LONGEST_STEP = 100, 1e-9, 3.0


@dataclass(frozen=True)
class PairOutcomes:
    """Outcomes of pairs, as counts or weights.

    Arrays: (n,); controls: (n, controls).
    """

    first: Ints  # codes of sources
    second: Ints
    won: Floats
    tied: Floats
    lost: Floats
    controls: Floats

    @property
    def n(self) -> Floats:
        """(n,): all outcomes of each row."""
        return self.won + self.tied + self.lost


@dataclass(frozen=True)
class Fit:
    """The parameters of the model and their covariance, in this order: strengths, effects, tie parameter if any."""

    strengths: Floats  # (sources,), log-odds, mean 0 in each component
    effects: Floats  # (controls,)
    tie: float | None  # log of Davidson's parameter
    covariance: Floats
    has_converged: bool


def fit_davidson(rows: PairOutcomes, component: Ints) -> Fit:
    """The Fit of the model to outcomes, by Newton's method.

    component: (sources,), the connected component of each source in the graph of comparisons.

    >>> first, second, nothing = np.array([0]), np.array([1]), np.zeros(1)
    >>> rows = PairOutcomes(first, second, np.array([30.0]), nothing, np.array([10.0]), controls=np.zeros((1, 0)))
    >>> fit_davidson(rows, component=np.array([0, 0])).strengths.round(3).tolist()
    [0.533, -0.533]
    """
    sources, has_ties = len(component), bool(rows.tied.sum() > 0)
    values = np.zeros(sources + rows.controls.shape[1] + has_ties)
    if has_ties:
        values[-1] = np.log(2 * rows.tied.sum() / max(rows.won.sum() + rows.lost.sum(), 1))
    fixing = build_component_columns(component, len(values))
    for _ in range(MOST_STEPS):
        odds = compute_odds(rows, values, sources, has_ties)
        information = compute_information(rows, odds, sources, has_ties)
        covariance = cast(Floats, np.linalg.inv(information + fixing @ fixing.T + 1e-10 * np.eye(len(values))))
        pseudo = odds.weight * compute_variance(rows, covariance, sources)
        pull = odds.residual + pseudo * (0.5 - odds.share)
        tie_pull = (rows.tied - rows.n * odds.tie).sum() + 0.5 - odds.tie.mean() if has_ties else 0
        gradient = compute_gradient(rows, pull, sources, has_ties, tie_pull)
        penalised = compute_information(rows, odds.add_pseudo_votes(pseudo), sources, has_ties) + fixing @ fixing.T
        step = np.linalg.solve(penalised + 1e-10 * np.eye(len(values)), gradient)
        values = values + step * min(1.0, LONGEST_STEP / max(np.abs(step).max(initial=0), 1e-12))
        if np.abs(step).max(initial=0) < TOLERANCE:
            break
    covariance = covariance - fixing @ np.diag(1 / (fixing**2).sum(0) ** 2) @ fixing.T
    tie = float(values[-1]) if has_ties else None
    effects = values[sources : sources + rows.controls.shape[1]]
    return Fit(values[:sources], effects, tie, covariance, bool(np.abs(step).max(initial=0) < 1e-5))


@dataclass(frozen=True)
class Odds:
    """For each row of PairOutcomes: predicted chances, residual, and Fisher information. Arrays: (n,)."""

    tie: Floats  # chance of a tie
    lead: Floats  # chance of first minus chance of second
    share: Floats  # chance of first, given no tie
    residual: Floats  # observed less predicted
    weight: Floats  # information on the difference
    tie_weight: Floats  # on the tie parameter
    both_weight: Floats  # between the two

    def add_pseudo_votes(self, pseudo: Floats) -> "Odds":
        """The Odds with the information of pseudo-votes added."""
        weight = self.weight + pseudo * self.share * (1 - self.share)
        return Odds(self.tie, self.lead, self.share, self.residual, weight, self.tie_weight, self.both_weight)


def compute_odds(rows: PairOutcomes, values: Floats, sources: int, has_ties: bool) -> Odds:
    """The Odds of outcomes at these parameters.

    values: (parameters,), in the order of Fit.
    """
    difference = values[rows.first] - values[rows.second]
    difference = difference + rows.controls @ values[sources : sources + rows.controls.shape[1]]
    level = np.abs(difference) / 2  # factored out to avoid overflow
    first, second = np.exp(difference / 2 - level), np.exp(-difference / 2 - level)
    tie = np.exp(values[-1] - level) if has_ties else np.zeros_like(first)
    total = first + second + tie
    tie, lead = tie / total, (first - second) / total
    n = rows.n
    return Odds(
        tie=tie,
        lead=lead,
        share=first / (first + second),
        residual=(rows.won - rows.lost - n * lead) / 2,
        weight=n * (1 - tie - lead**2) / 4,
        tie_weight=n * tie * (1 - tie),
        both_weight=-n * tie * lead / 2,
    )


def compute_information(rows: PairOutcomes, odds: Odds, sources: int, has_ties: bool) -> Floats:
    """(parameters, parameters): the Fisher information on strengths, controls and tie."""
    controls = rows.controls.shape[1]
    information = np.zeros((sources + controls + has_ties,) * 2)
    between = np.bincount(rows.first * sources + rows.second, odds.weight, sources**2).reshape(sources, sources)
    between = between + between.T
    information[:sources, :sources] = np.diag(between.sum(1)) - between
    columns = [(sources + n, odds.weight * rows.controls[:, n]) for n in range(controls)]
    if has_ties:
        columns.append((sources + controls, odds.both_weight))
    for place, column in columns:
        information[place, :sources] = information[:sources, place] = sum_by_source(rows, column, sources)
        crossed = rows.controls.T @ column
        information[place, sources : sources + controls] = information[sources : sources + controls, place] = crossed
    if has_ties:
        information[-1, -1] = odds.tie_weight.sum() + (odds.tie * (1 - odds.tie)).mean()
    return information


def compute_gradient(rows: PairOutcomes, pull: Floats, sources: int, has_ties: bool, tie_pull: float) -> Floats:
    """(parameters,): the gradient of the log-likelihood.

    pull: (n,), the derivative by each row's difference.
    tie_pull: the derivative by the tie parameter.
    """
    last = [tie_pull] if has_ties else []
    return np.concatenate([sum_by_source(rows, pull, sources), rows.controls.T @ pull, last])


def sum_by_source(rows: PairOutcomes, column: Floats, sources: int) -> Floats:
    """(sources,): the sum of a column over rows, positive for the first source, negative for the second."""
    sums = np.bincount(rows.first, column, sources) - np.bincount(rows.second, column, sources)
    return cast(Floats, sums)  # numpy's stubs say integers, weights or not


def compute_variance(rows: PairOutcomes, covariance: Floats, sources: int) -> Floats:
    """(n,): the variance of each row's difference."""
    own = np.diag(covariance)
    variance = own[rows.first] + own[rows.second] - 2 * covariance[rows.first, rows.second]
    for n in range(rows.controls.shape[1]):
        column, place = rows.controls[:, n], sources + n
        variance = variance + 2 * column * (covariance[rows.first, place] - covariance[rows.second, place])
        for m in range(rows.controls.shape[1]):
            variance = variance + column * rows.controls[:, m] * covariance[place, sources + m]
    return np.maximum(variance, 0)


def build_component_columns(component: Ints, size: int) -> Floats:
    """(size, components): indicator columns of the components, the directions that the votes do not identify."""
    codes = np.asarray(component)
    columns = np.zeros((size, codes.max(initial=-1) + 1))
    columns[np.arange(len(codes)), codes] = 1
    return columns


def compute_sandwich(rows: PairOutcomes, fitted: Fit, clusters: Ints) -> Floats:
    """(parameters, parameters): the covariance of a Fit that holds with clustered or weighted outcomes.

    clusters: (n,), codes from 0.

    Source: Huber (1967), White (1982); by clusters, Liang and Zeger (1986).

    >>> first, second, nothing = np.array([0, 0, 1]), np.array([1, 1, 0]), np.zeros(3)
    >>> rows = PairOutcomes(first, second, np.ones(3), nothing, nothing, controls=np.zeros((3, 0)))
    >>> fitted = fit_davidson(rows, component=np.array([0, 0]))
    >>> compute_sandwich(rows, fitted, clusters=np.array([0, 1, 2])).round(2).tolist()
    [[0.51, -0.51], [-0.51, 0.51]]
    """
    from scipy import sparse

    sources, has_ties = len(fitted.strengths), fitted.tie is not None
    last = [fitted.tie] if has_ties else []
    odds = compute_odds(rows, np.concatenate([fitted.strengths, fitted.effects, last]), sources, has_ties)
    n, size = len(rows.first), int(clusters.max()) + 1
    place = np.arange(n)
    columns = [(rows.first, odds.residual), (rows.second, -odds.residual)]
    columns += [(np.full(n, sources + c), odds.residual * rows.controls[:, c]) for c in range(rows.controls.shape[1])]
    if has_ties:
        columns.append((np.full(n, sources + rows.controls.shape[1]), rows.tied - rows.n * odds.tie))
    shape = (size, len(fitted.covariance))
    scores = sum(sparse.csr_array((pull, (clusters[place], where)), shape) for where, pull in columns)
    meat = (scores.T @ scores).toarray() * size / max(size - 1, 1)
    covariance: Floats = fitted.covariance @ meat @ fitted.covariance
    return covariance

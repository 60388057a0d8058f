"""Fits strengths, a readiness to call ties, and effects of controls to choices: Davidson's model of ties.

Davidson (1970), "On extending the Bradley-Terry model to accommodate ties in paired comparison experiments", JASA 65:
first, tie and second have odds exp(d / 2) : exp(tie) : exp(-d / 2), where d is the difference of the two strengths in
log-odds. Of the choices that were no tie it is the Bradley-Terry model; its fit counts a tie as half a win for each,
and its log-odds stay those of a choice. (Ties as half wins in a model without them would draw all sources together.)

The bias reduction of Firth (1993, Biometrika 80) keeps the strength of a source that never lost finite: each pair is
given as many pseudo-votes, half a win each, as its votes have leverage, together one less than there are sources. One
more, half of it a tie, keeps the tie's parameter finite.
"""

from dataclasses import dataclass

import numpy as np

MOST_STEPS, TOLERANCE, LONGEST_STEP = 100, 1e-9, 3.0


@dataclass(frozen=True)
class PairOutcomes:
    """Outcomes of pairs, counted or weighted. `first` and `second` are codes of sources; a column for each control."""

    first: np.ndarray
    second: np.ndarray
    won: np.ndarray
    tied: np.ndarray
    lost: np.ndarray
    controls: np.ndarray

    @property
    def n(self):
        return self.won + self.tied + self.lost


@dataclass(frozen=True)
class Fit:
    """`values` and `covariance` are those of the strengths (mean 0 in each component), the controls, and last, where
    there was one, the log of Davidson's tie parameter."""

    strengths: np.ndarray
    effects: np.ndarray
    tie: float | None
    covariance: np.ndarray
    has_converged: bool


def fit_davidson(rows, component):
    """The Fit of PairOutcomes; `component[k]` names the part of the graph of comparisons that source k is in."""
    sources, has_ties = len(component), bool(rows.tied.sum() > 0)
    values = np.zeros(sources + rows.controls.shape[1] + has_ties)
    if has_ties:
        values[-1] = np.log(2 * rows.tied.sum() / max(rows.won.sum() + rows.lost.sum(), 1))
    fixing = build_component_columns(component, len(values))
    for _ in range(MOST_STEPS):
        odds = compute_odds(rows, values, sources, has_ties)
        information = compute_information(rows, odds, sources, has_ties)
        covariance = np.linalg.inv(information + fixing @ fixing.T + 1e-10 * np.eye(len(values)))
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
    """Of each of the PairOutcomes: chances, what the outcomes are beyond them, and the information that they bear."""

    tie: np.ndarray
    lead: np.ndarray  # chance of first less that of second
    share: np.ndarray  # of first, ties aside
    residual: np.ndarray
    weight: np.ndarray
    tie_weight: np.ndarray
    both_weight: np.ndarray

    def add_pseudo_votes(self, pseudo):
        weight = self.weight + pseudo * self.share * (1 - self.share)
        return Odds(self.tie, self.lead, self.share, self.residual, weight, self.tie_weight, self.both_weight)


def compute_odds(rows, values, sources, has_ties):
    difference = values[rows.first] - values[rows.second]
    difference = difference + rows.controls @ values[sources : sources + rows.controls.shape[1]]
    level = np.abs(difference) / 2  # taken out, so that nothing overflows
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


def compute_information(rows, odds, sources, has_ties):
    """Fisher's information on strengths, controls and tie."""
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


def compute_gradient(rows, pull, sources, has_ties, tie_pull):
    """The gradient from what pulls at each row's difference, and at the tie."""
    last = [tie_pull] if has_ties else []
    return np.concatenate([sum_by_source(rows, pull, sources), rows.controls.T @ pull, last])


def sum_by_source(rows, column, sources):
    return np.bincount(rows.first, column, sources) - np.bincount(rows.second, column, sources)


def compute_variance(rows, covariance, sources):
    """The variance of each row's difference."""
    own = np.diag(covariance)
    variance = own[rows.first] + own[rows.second] - 2 * covariance[rows.first, rows.second]
    for n in range(rows.controls.shape[1]):
        column, place = rows.controls[:, n], sources + n
        variance = variance + 2 * column * (covariance[rows.first, place] - covariance[rows.second, place])
        for m in range(rows.controls.shape[1]):
            variance = variance + column * rows.controls[:, m] * covariance[place, sources + m]
    return np.maximum(variance, 0)


def build_component_columns(component, size):
    """A column for each component, of ones where its sources stand: what the votes cannot tell."""
    codes = np.asarray(component)
    columns = np.zeros((size, codes.max(initial=-1) + 1))
    columns[np.arange(len(codes)), codes] = 1
    return columns


def compute_sandwich(rows, fitted, clusters):
    """The covariance of a Fit of PairOutcomes that come in clusters or with weights: Huber (1967), White (1982), by
    clusters as Liang and Zeger (1986)."""
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
    return fitted.covariance @ meat @ fitted.covariance

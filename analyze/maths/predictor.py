"""A model that predicts from the texts which answer annotators choose; it trains in seconds on a CPU.

A logistic regression without intercept on the difference of the two texts, as TF-IDF words and as form (length, lists,
…): swapping the answers flips the sign of the log-odds. This is the Bradley-Terry model with a strength that is linear
in the text, as in the training of reward models (Ouyang et al. 2022), with words in place of a network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from analyze.maths.arrays import Bools, Floats, Ints, Sparse
from analyze.maths.intervals import Rate, compute_clustered_rate, compute_rate
from analyze.maths.strengths import fit_strengths
from analyze.maths.style import TRAITS, count_traits
from analyze.maths.texts import fit_tfidf

FOLDS = 5
FEWEST = 20  # choices, on at least FOLDS prompts; with fewer, nothing can be held out
# Candidates for sklearn's C, the inverse strength of the regularisation; the best on held-out prompts wins.
REGULARISATIONS = (0.3, 1.0, 3.0, 10.0, 30.0)
CURVE_SHARES, CURVE_FOLDS = (0.125, 0.25, 0.5, 1.0), 2
BINS = np.linspace(0.5, 1, 6)


@dataclass(frozen=True)
class Predictor:
    """The model, trained on all choices."""

    vectorizer: Any  # sklearn's TfidfVectorizer
    scale: Floats  # (traits,), of the form
    weights: Floats  # (words + traits,)
    regularisation: float
    choices: int

    def score(self, texts: Sequence[str]) -> Floats:
        """(n,): the score of each text; the difference of two scores is the log-odds of a choice between them."""
        if not len(texts):
            return np.zeros(0)
        words = len(self.weights) - len(self.scale)
        scores: Floats = (
            self.vectorizer.transform(texts) @ self.weights[:words]
            + _compute_form(texts, self.scale) @ self.weights[words:]
        )
        return scores

    def compute_chance(self, first: Sequence[str], second: Sequence[str]) -> Floats:
        """(n,): the chance that the first text is chosen over the second."""
        return 1 / (1 + np.exp(self.score(second) - self.score(first)))


class Scorer(Protocol):
    """Scores texts; people prefer those with higher scores."""

    def score(self, texts: Sequence[str]) -> Floats:
        """(n,): the score of each text."""


@dataclass(frozen=True)
class Calibration:
    """Predicted and observed rates in bins of the likelier answer's chance. Arrays: (bins,)."""

    low: Floats  # edges
    high: Floats
    predicted: Floats  # mean; NaN in an empty bin
    observed: Rate
    error: float  # expected calibration error (Naeini, Cooper and Hauskrecht 2015)


@dataclass(frozen=True)
class LearningCurve:
    """Accuracy on held-out prompts, by the number of choices in training. Arrays: (points,)."""

    choices: Ints
    accuracy: Rate


@dataclass(frozen=True)
class Prediction:
    """How well the model predicts choices about held-out prompts.

    probability: (n,), the chance of the chosen answer, by a model trained on other prompts; NaN for ties.
    """

    accuracy: Rate
    baseline_longer: Rate
    baseline_source: Rate
    calibration: Calibration
    curve: LearningCurve
    probability: Floats
    log_loss: float
    held_out_choices: int
    prompts: int
    folds: int
    regularisation: float


class TooFewChoices(ValueError):
    """There are too few choices or prompts to hold any out."""


def fit_predictor(
    chosen: Sequence[str], rejected: Sequence[str], group: ArrayLike, strength: ArrayLike | None = None
) -> Predictor:
    """The Predictor, trained on all choices without ties.

    chosen, rejected: (n,), texts.
    group: (n,), prompts; only tunes the regularisation.
    strength: (n,), 0 for a tie.

    Raises TooFewChoices.

    >>> model = fit_predictor(["good answer"] * 20, ["bad answer"] * 20, group=list(range(20)))
    >>> model.compute_chance(["good"], ["bad"]).round().tolist()
    [1.0]
    """
    decided = _is_decided(chosen, strength)
    texts, first, second = _code_texts(chosen, rejected, decided)
    group = np.unique(np.asarray(group)[decided], return_inverse=True)[1]
    _check_enough(first, group)
    vectorizer, matrix, scale = _build_matrix(texts)
    difference = (matrix[first] - matrix[second]).tocsr()
    regularisation = _choose_regularisation(difference, group)
    return Predictor(vectorizer, scale, _fit_weights(difference, regularisation), regularisation, len(first))


def predict_held_out(
    chosen: Sequence[str],
    rejected: Sequence[str],
    group: ArrayLike,
    *,
    strength: ArrayLike | None = None,
    chosen_source: ArrayLike | None = None,
    rejected_source: ArrayLike | None = None,
) -> Prediction:
    """The Prediction of choices by cross-validation over prompts: what to expect of a Predictor on new prompts.

    chosen, rejected: (n,), texts.
    group: (n,), prompts.
    strength: (n,), 0 for a tie.
    chosen_source, rejected_source: (n,), names, for the baseline; both or neither.

    Raises TooFewChoices.

    >>> prediction = predict_held_out(["good answer"] * 20, ["bad answer"] * 20, group=list(range(20)))
    >>> float(prediction.accuracy.value), prediction.held_out_choices, prediction.folds
    (1.0, 20, 5)
    """
    decided = _is_decided(chosen, strength)
    texts, first, second = _code_texts(chosen, rejected, decided)
    group = np.unique(np.asarray(group)[decided], return_inverse=True)[1]
    _check_enough(first, group)
    _, matrix, _ = _build_matrix(texts)
    difference = (matrix[first] - matrix[second]).tocsr()
    fold = _assign_folds(group)
    regularisation = _choose_regularisation(difference[fold != 0], group[fold != 0])
    log_odds = np.empty(len(first))
    by_source = np.full(len(first), 0.5)
    sources = None
    if chosen_source is not None:
        sources = [np.asarray(column)[decided] for column in (chosen_source, rejected_source)]
    for number in range(fold.max() + 1):
        out = fold == number
        log_odds[out] = difference[out] @ _fit_weights(difference[~out], regularisation)
        if sources:
            fitted = fit_strengths(sources[0][~out], sources[1][~out])
            stronger = fitted.compute_chance(sources[0][out], sources[1][out])
            by_source[out] = (np.sign(np.round(stronger - 0.5, 9)) + 1) / 2
    lengths = np.array([len(text) for text in texts])
    longer = (np.sign(lengths[first] - lengths[second]) + 1) / 2
    probability = np.full(len(decided), np.nan)
    probability[decided] = 1 / (1 + np.exp(-log_odds))
    return Prediction(
        accuracy=compute_clustered_rate(_compute_hits(log_odds), group),
        baseline_longer=compute_clustered_rate(longer, group),
        baseline_source=compute_clustered_rate(by_source, group) if sources else compute_rate(0, 0),
        calibration=compute_calibration(probability[decided]),
        curve=_compute_curve(difference, group, fold, regularisation),
        probability=probability,
        log_loss=float(np.logaddexp(0, -log_odds).mean()),
        held_out_choices=len(first),
        prompts=int(group.max() + 1),
        folds=int(fold.max() + 1),
        regularisation=regularisation,
    )


def score_held_out(
    chosen: Sequence[str], rejected: Sequence[str], group: ArrayLike, strength: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """(scores of the chosen, of the rejected): each (n,), by models that were trained on other prompts.

    chosen, rejected: (n,), texts.
    group: (n,), prompts.
    strength: (n,), 0 for a tie; ties are scored, but nothing is learnt from them.

    Raises TooFewChoices.

    >>> good, bad = score_held_out(["good answer"] * 20, ["bad answer"] * 20, group=list(range(20)))
    >>> bool((good > bad).all())
    True
    """
    decided = _is_decided(chosen, strength)
    texts, first, second = _code_texts(chosen, rejected, np.ones(len(chosen), bool))
    group = np.unique(np.asarray(group), return_inverse=True)[1]
    _check_enough(first[decided], np.unique(group[decided], return_inverse=True)[1])
    _, matrix, _ = _build_matrix(texts)
    difference = (matrix[first] - matrix[second]).tocsr()
    fold = _assign_folds(group)
    tuned = decided & (fold != 0)
    regularisation = _choose_regularisation(difference[tuned], np.unique(group[tuned], return_inverse=True)[1])
    scores = np.empty((2, len(first)))
    for number in range(fold.max() + 1):
        out = fold == number
        weights = _fit_weights(difference[~out & decided], regularisation)
        scores[0][out], scores[1][out] = matrix[first[out]] @ weights, matrix[second[out]] @ weights
    return scores[0], scores[1]


def assign_folds(group: ArrayLike) -> Ints:
    """(n,): the fold, from 0, in which predict_held_out and score_held_out leave each choice out.

    group: (n,), prompts.

    >>> folds = assign_folds(["p", "p", "q"])
    >>> bool(folds[0] == folds[1] != folds[2])
    True
    """
    return _assign_folds(np.unique(np.asarray(group), return_inverse=True)[1])


def compute_calibration(probability: Floats) -> Calibration:
    """The Calibration of predictions; probability: (n,), the chance predicted for the chosen answer."""
    sure = np.maximum(probability, 1 - probability)
    place = np.clip(np.searchsorted(BINS, sure, side="right") - 1, 0, len(BINS) - 2)
    n = np.bincount(place, minlength=len(BINS) - 1)
    observed = compute_rate(np.bincount(place, _compute_hits(probability - 0.5), len(BINS) - 1), n)
    predicted = np.bincount(place, sure, len(BINS) - 1) / np.maximum(n, 1)
    predicted = np.where(n > 0, predicted, np.nan)
    error = float(np.nansum(n * np.abs(predicted - observed.value)) / max(n.sum(), 1))
    return Calibration(BINS[:-1], BINS[1:], predicted, observed, error)


def find_suspicious(probability: ArrayLike) -> Ints:
    """Indices of the choices that the model disagrees with, the least likely choice first.

    probability: (n,), of the chosen answer, predicted out of fold.

    Source: confident learning, Northcutt, Jiang and Chuang (2021).
    """
    probability = np.asarray(probability, float)
    order = np.argsort(probability, kind="stable")
    return order[: int((probability < 0.5).sum())]


def rank_texts(predictor: Scorer, texts: Sequence[str]) -> tuple[Ints, Floats, float]:
    """(order, scores, chance): the best of n, as in Stiennon et al. (2020). `best_of` and policies share it.

    predictor: whatever scores texts.
    order: (n,), indices of the texts, the best first; of equal ones the earlier.
    scores: (n,), in that order.
    chance: that the first is chosen over the second; 1 for a single text.

    >>> model = fit_predictor(["good answer"] * 20, ["bad answer"] * 20, group=list(range(20)))
    >>> rank_texts(model, ["bad answer", "good answer"])[0].tolist()
    [1, 0]
    """
    scores = predictor.score(texts)
    order = np.argsort(-scores, kind="stable")
    lead = scores[order[0]] - scores[order[1]] if len(order) > 1 else np.inf
    return order, scores[order], float(1 / (1 + np.exp(-lead)))


def _is_decided(chosen: Sequence[str], strength: ArrayLike | None) -> Bools:
    return np.ones(len(chosen), bool) if strength is None else np.asarray(strength) > 0


def _code_texts(chosen: Sequence[str], rejected: Sequence[str], decided: Bools) -> tuple[list[str], Ints, Ints]:
    """(texts, first, second): the distinct texts, and the codes of the chosen and the rejected ones."""
    codes: dict[str, int] = {}
    first, second = (
        np.array(
            [
                codes.setdefault(text, len(codes))
                for text, is_decided in zip(column, decided, strict=True)
                if is_decided
            ],
            int,
        )
        for column in (chosen, rejected)
    )
    return list(codes), first, second


def _check_enough(first: Ints, group: Ints) -> None:
    if len(first) < FEWEST or group.max(initial=-1) + 1 < FOLDS:
        raise TooFewChoices(f"{len(first)} choices about {group.max(initial=-1) + 1} prompts")


def _build_matrix(texts: Sequence[str]) -> tuple[Any, Sparse, Floats]:
    """(vectorizer, matrix, scale): the features of the texts, (texts, words + traits)."""
    from scipy.sparse import csr_matrix, hstack

    vectorizer, words = fit_tfidf(texts)
    scale = np.maximum(_compute_form(texts, np.ones(len(TRAITS))).std(0), 1e-3) * 4  # on par with the words
    return vectorizer, hstack([words, csr_matrix(_compute_form(texts, scale))]).tocsr(), scale


def _compute_form(texts: Sequence[str], scale: Floats) -> Floats:
    return np.log1p(count_traits(texts)) / scale


def _fit_weights(difference: Sparse, regularisation: float) -> Floats:
    """The weights; every second row is swapped, because sklearn needs two classes."""
    from scipy.sparse import diags
    from sklearn.linear_model import LogisticRegression

    side = np.where(np.arange(difference.shape[0]) % 2, -1.0, 1.0)
    model = LogisticRegression(C=regularisation, fit_intercept=False, max_iter=300, tol=1e-4)
    weights: Floats = model.fit(diags(side) @ difference, side).coef_[0]
    return weights


def _choose_regularisation(difference: Sparse, group: Ints) -> float:
    """The best of REGULARISATIONS on a held-out fifth of the prompts."""
    out = _assign_folds(group, seed=1) == 0
    losses = [
        np.logaddexp(0, -(difference[out] @ _fit_weights(difference[~out], value))).mean() for value in REGULARISATIONS
    ]
    return REGULARISATIONS[int(np.argmin(losses))]


def _assign_folds(group: Ints, seed: int = 0) -> Ints:
    """(n,): the fold of each row, the same for a group; folds are of about equal size."""
    groups = int(group.max()) + 1
    fold: Ints = np.random.default_rng(seed).permutation(groups) % min(FOLDS, groups)
    return fold[group]


def _compute_hits(log_odds: Floats) -> Floats:
    return (np.sign(log_odds) + 1) / 2


def _compute_curve(difference: Sparse, group: Ints, fold: Ints, regularisation: float) -> LearningCurve:
    """The LearningCurve: training on CURVE_SHARES of the prompts, accuracy on the first CURVE_FOLDS folds."""
    turn = np.random.default_rng(2).permutation(group.max() + 1)[group] / (group.max() + 1)
    sizes, rates = [], []
    for share in CURVE_SHARES:
        learnt, hits, groups = [], [], []
        for number in range(min(CURVE_FOLDS, fold.max() + 1)):
            out, part = fold == number, (fold != number) & (turn <= share)
            if part.sum() >= 2:
                learnt.append(part.sum())
                hits.append(_compute_hits(difference[out] @ _fit_weights(difference[part], regularisation)))
                groups.append(group[out])
        if learnt:
            sizes.append(round(float(np.mean(learnt))))
            rates.append(compute_clustered_rate(np.concatenate(hits), np.concatenate(groups)))
    columns = (np.array([getattr(point, name) for point in rates]) for name in ("value", "low", "high", "n"))
    return LearningCurve(np.array(sizes), Rate(*columns))

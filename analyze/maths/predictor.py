"""A model that predicts from the texts which answer people choose: trained in seconds on a CPU.

The difference of the two texts, as weighed words and as form (length, lists, …), goes into a logistic regression
without intercept: turning a choice turns its log-odds. It is the Bradley-Terry model with a strength that is linear in
the text, as reward models are trained (Ouyang et al. 2022), with words in place of a network.
"""

from dataclasses import dataclass

import numpy as np

from analyze.maths.intervals import Rate, compute_clustered_rate, compute_rate
from analyze.maths.strengths import fit_strengths
from analyze.maths.style import TRAITS, count_traits
from analyze.maths.texts import fit_tfidf

FOLDS = 5
FEWEST = 20  # choices, of at least as many prompts as folds: with fewer nothing is held out
# sklearn's C, the inverse strength of the regularisation; of these the best on prompts held out is taken.
REGULARISATIONS = (0.3, 1.0, 3.0, 10.0, 30.0)
CURVE_SHARES, CURVE_FOLDS = (0.125, 0.25, 0.5, 1.0), 2
BINS = np.linspace(0.5, 1, 6)


@dataclass(frozen=True)
class Predictor:
    """The model of all choices. `weights` stand on the vectorizer's words first, then on the form."""

    vectorizer: object
    scale: np.ndarray
    weights: np.ndarray
    regularisation: float
    choices: int

    def score(self, texts):
        """Log-odds of each text: the difference of two is that of being chosen over the other."""
        if not len(texts):
            return np.zeros(0)
        words = len(self.weights) - len(self.scale)
        return (
            self.vectorizer.transform(texts) @ self.weights[:words]
            + _compute_form(texts, self.scale) @ self.weights[words:]
        )

    def compute_chance(self, first, second):
        """The chance that the first text of each row is chosen over the second."""
        return 1 / (1 + np.exp(self.score(second) - self.score(first)))


@dataclass(frozen=True)
class Calibration:
    """Of predictions between two edges (of the likelier answer): what was predicted, and what was observed."""

    low: np.ndarray
    high: np.ndarray
    predicted: np.ndarray
    observed: Rate
    error: float  # expected calibration error (Naeini, Cooper and Hauskrecht 2015)


@dataclass(frozen=True)
class LearningCurve:
    """Accuracy on prompts held out, by the number of choices that it was learnt from."""

    choices: np.ndarray
    accuracy: Rate


@dataclass(frozen=True)
class Prediction:
    """How well choices about prompts never seen are predicted. `probability` is, for each choice given, the chance that
    the chosen one is chosen, by a model that saw nothing of its prompt; NaN for ties."""

    accuracy: Rate
    baseline_longer: Rate
    baseline_source: Rate
    calibration: Calibration
    curve: LearningCurve
    probability: np.ndarray
    log_loss: float
    held_out_choices: int
    prompts: int
    folds: int
    regularisation: float


class TooFewChoices(ValueError):
    """There are too few choices or prompts to hold any out."""


def fit_predictor(chosen, rejected, group, strength=None):
    """The Predictor of all choices, columns of texts; `group` (the prompt's) only serves to tune it. Ties are left
    out."""
    decided = _is_decided(chosen, strength)
    texts, first, second = _code_texts(chosen, rejected, decided)
    group = np.unique(np.asarray(group)[decided], return_inverse=True)[1]
    _check_enough(first, group)
    vectorizer, matrix, scale = _build_matrix(texts)
    difference = (matrix[first] - matrix[second]).tocsr()
    regularisation = _choose_regularisation(difference, group)
    return Predictor(vectorizer, scale, _fit_weights(difference, regularisation), regularisation, len(first))


def predict_held_out(chosen, rejected, group, *, strength=None, chosen_source=None, rejected_source=None):
    """The Prediction of choices, held out by group: what an admin may expect of a predictor for new prompts."""
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


def compute_calibration(probability):
    """The Calibration of chances that were given to what was then chosen."""
    sure = np.maximum(probability, 1 - probability)
    place = np.clip(np.searchsorted(BINS, sure, side="right") - 1, 0, len(BINS) - 2)
    n = np.bincount(place, minlength=len(BINS) - 1)
    observed = compute_rate(np.bincount(place, _compute_hits(probability - 0.5), len(BINS) - 1), n)
    predicted = np.bincount(place, sure, len(BINS) - 1) / np.maximum(n, 1)
    predicted = np.where(n > 0, predicted, np.nan)
    error = float(np.nansum(n * np.abs(predicted - observed.value)) / max(n.sum(), 1))
    return Calibration(BINS[:-1], BINS[1:], predicted, observed, error)


def find_suspicious(probability):
    """The places of choices that the model disagrees with, the surest disagreement first; from probabilities that were
    predicted out of fold (confident learning: Northcutt, Jiang and Chuang 2021)."""
    probability = np.asarray(probability, float)
    order = np.argsort(probability, kind="stable")
    return order[: int((probability < 0.5).sum())]


def rank_texts(predictor, texts):
    """(places of the texts, the best first, their scores in that order, chance that the first would be chosen over the
    second): best of n, as Stiennon et al. (2020) choose."""
    scores = predictor.score(texts)
    order = np.argsort(-scores, kind="stable")
    lead = scores[order[0]] - scores[order[1]] if len(order) > 1 else np.inf
    return order, scores[order], float(1 / (1 + np.exp(-lead)))


def _is_decided(chosen, strength):
    return np.ones(len(chosen), bool) if strength is None else np.asarray(strength) > 0


def _code_texts(chosen, rejected, decided):
    """(different texts, code of each chosen one, of each rejected one)"""
    codes = {}
    places = [
        np.array(
            [
                codes.setdefault(text, len(codes))
                for text, is_decided in zip(column, decided, strict=True)
                if is_decided
            ],
            int,
        )
        for column in (chosen, rejected)
    ]
    return list(codes), *places


def _check_enough(first, group):
    if len(first) < FEWEST or group.max(initial=-1) + 1 < FOLDS:
        raise TooFewChoices(f"{len(first)} choices about {group.max(initial=-1) + 1} prompts")


def _build_matrix(texts):
    """(vectorizer, a row for each text, scale of the form)"""
    from scipy.sparse import csr_matrix, hstack

    vectorizer, words = fit_tfidf(texts)
    scale = np.maximum(_compute_form(texts, np.ones(len(TRAITS))).std(0), 1e-3) * 4  # no louder than the words
    return vectorizer, hstack([words, csr_matrix(_compute_form(texts, scale))]).tocsr(), scale


def _compute_form(texts, scale):
    return np.log1p(count_traits(texts)) / scale


def _fit_weights(difference, regularisation):
    """The weights; every second row is turned, so that there are two kinds."""
    from scipy.sparse import diags
    from sklearn.linear_model import LogisticRegression

    side = np.where(np.arange(difference.shape[0]) % 2, -1.0, 1.0)
    model = LogisticRegression(C=regularisation, fit_intercept=False, max_iter=300, tol=1e-4)
    return model.fit(diags(side) @ difference, side).coef_[0]


def _choose_regularisation(difference, group):
    """The one of REGULARISATIONS that predicts a fifth of the prompts best, learnt on the others."""
    out = _assign_folds(group, seed=1) == 0
    losses = [
        np.logaddexp(0, -(difference[out] @ _fit_weights(difference[~out], value))).mean() for value in REGULARISATIONS
    ]
    return REGULARISATIONS[int(np.argmin(losses))]


def _assign_folds(group, seed=0):
    """The fold of each row, the same for a group, of about equal size."""
    folds = min(FOLDS, group.max() + 1)
    return (np.random.default_rng(seed).permutation(group.max() + 1) % folds)[group]


def _compute_hits(log_odds):
    return (np.sign(log_odds) + 1) / 2


def _compute_curve(difference, group, fold, regularisation):
    """Learnt on a part of the prompts, measured on the first folds."""
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

"""The reliability of annotators: a model of noisy honest judges and of habits of careless judging.

Each pair has an unknown lead d of its first answer. An honest annotator chooses the first with the chance
logistic(skill · d + side · left + length · longer). This is GLAD (Whitehill et al. 2009, "Whose vote should count
more", ability times difficulty) for two unlabelled answers, with annotators' biases as in Welinder et al. (2010), "The
multidimensional wisdom of crowds". A careless annotator chooses at random, by side or by length, always or from some
moment on: the spamming of MACE (Hovy et al. 2013), with the layout of the screen as the spam. Expectation maximisation
fits leads (nonparametric, on a grid), habits and the shares of the habits.

The model compares an annotator's votes with the other annotators' votes on the same pairs, never with their own.
"""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from analyze.maths.arrays import Bools, Column, Floats, Ints
from analyze.maths.careless import (
    HABITS,
    HONEST,
    SKILLS,
    TASTES,
    build_honest_prior,
    compute_drift_evidence,
    compute_spam_chances,
    compute_spam_evidence,
    compute_tie_odds,
)
from analyze.maths.votes import Votes

SIZES = np.array([0.1, 0.4, 0.8, 1.3, 1.9, 2.6, 3.5, 5.0])
LEADS = np.concatenate([-SIZES[::-1], SIZES])
GOLD_ACCURACY = 0.98  # chance that a gold answer is right
ROUNDS = 8
MOST_FITTED = 200_000  # votes; of more, a sample of the pairs is fitted
MINIMUM = 20  # decided votes; nobody is marked on fewer
MARKED_AT = 20.0  # evidence: at most one honest annotator in twenty ever reaches it
SHARES_PRIOR_WEIGHT = 6.0  # of PRIOR_SHARES, in annotators
SKILLS_PRIOR_WEIGHT = 5.0  # of the prior of skills and tastes, in annotators
Codes = TypeVar("Codes", int, Ints)
PRIOR_SHARES = {HONEST: 0.85}  # the other habits share the rest evenly


@dataclass(frozen=True)
class Reliability:
    """The reliability of each annotator. Arrays: (annotators,).

    evidence: the Bayes factor of "careless" against "honest", an e-value: under optional stopping, an honest annotator
        ever reaches x with a chance of about 1 / x at most (Ville 1939; Grünwald, de Heide and Koolen 2024, "Safe
        testing").
    """

    annotator: Column
    reliability: Floats  # chance to choose the better answer of a pair; 0.5 is a coin flip
    careless_probability: Floats
    evidence: Floats
    habit: Column  # the most likely careless habit
    is_marked: Bools  # MINIMUM votes and evidence of MARKED_AT
    decided: Ints  # votes without ties
    left_pull: Floats  # log-odds for the left answer, if honest
    longer_pull: Floats  # log-odds for the longer answer, if honest
    shares: dict[str, float]  # of the habits among these annotators
    minimum: int = MINIMUM
    marked_at: float = MARKED_AT

    def compute_weights(self, annotator: ArrayLike) -> Floats:
        """(n,): the weight of each vote, 0 to 1 for the most reliable annotator; 0.5 for an unknown one.

        annotator: (n,), ids.

        Weights are proportional to the log-odds of being right (Nitzan and Paroush 1982, "Optimal decision rules in
        uncertain dichotomous choice situations").
        """
        odds = np.log(np.clip(self.reliability, 0.5, 0.99) / (1 - np.clip(self.reliability, 0.5, 0.99)))
        weight = dict(zip(self.annotator.tolist(), odds / max(odds.max(initial=0), 1e-9), strict=True))
        return np.array([weight.get(name, 0.5) for name in np.asarray(annotator).tolist()])


@dataclass(frozen=True)
class _Sheet:
    """The votes as codes, ready for the fit. A group is the votes of one annotator on one pair."""

    votes: Votes
    person: Ints  # (votes,)
    pair: Ints  # (votes,)
    people: Column  # (people,), ids
    pairs: int
    group: Ints  # (votes,)
    group_person: Ints  # (groups,)
    group_pair: Ints  # (groups,)
    decided: Bools  # (votes,), no tie
    table: Ints  # (decided,), row of the honest tables
    prior: Floats  # (pairs, leads), log chance, without the distribution of sizes
    is_gold: Bools  # (pairs,)
    tie: Floats  # (leads,), log chance of a tie


def fit_reliability(votes: Votes, chance: ArrayLike | None = None) -> Reliability:
    """The Reliability of the annotators who gave these votes.

    chance: (n,), for each vote the prior chance that the first answer is the better one, from the strengths of the
        sources or from a predictor that never saw the pair.

    Of more than MOST_FITTED votes a sample is fitted, with the votes of all annotators on the sampled pairs.

    >>> reliability = fit_reliability(Votes(annotator=["ann", "ann", "bob"], pair=[1, 2, 1], vote=[1, -1, 1]))
    >>> reliability.annotator.tolist(), reliability.is_marked.tolist()
    (['ann', 'bob'], [False, False])
    """
    rows = _sample_rows(votes)
    sheet = _build_sheet(votes.select_rows(rows), None if chance is None else np.asarray(chance)[rows])
    tables = _build_honest_tables()
    shapes = np.stack([_build_bell(0.0, 2.0), _build_bell(3.0, 1.5)])  # ordinary pairs, gold questions
    shares = {habit: PRIOR_SHARES.get(habit, (1 - PRIOR_SHARES[HONEST]) / (len(HABITS) - 1)) for habit in HABITS}
    people = len(sheet.people)
    usual = build_honest_prior()
    weights = np.tile(usual, (people, 1)) * shares[HONEST]
    spam = compute_spam_chances(sheet)
    for _ in range(ROUNDS):
        likelihood = _compute_likelihood(sheet, tables, weights, spam)
        logs = sheet.prior + np.log(shapes[sheet.is_gold.astype(int)]) + _sum_by(sheet.pair, likelihood, sheet.pairs)
        posterior = _normalise(logs)
        others = _normalise(logs[sheet.group_pair] - _sum_by(sheet.group, likelihood, len(sheet.group_pair)))
        honest = _compute_honest_odds(sheet, tables, others)
        by_habit, by_skill, spam = _estimate_habits(sheet, honest, usual, shares)
        shares = _estimate_shares(by_habit)
        weights = by_skill * by_habit[:, [0]]
        usual = weights.sum(0) + SKILLS_PRIOR_WEIGHT * build_honest_prior()
        usual /= usual.sum()
        shapes = np.stack([_estimate_shape(posterior, sheet.is_gold == gold, shapes[gold]) for gold in (0, 1)])
    decided = np.bincount(np.searchsorted(sheet.people, votes.annotator), votes.vote != 0, minlength=people)
    return replace(_build_result(sheet, honest, usual, shares, shapes), decided=decided.astype(int))


def _sample_rows(votes: Votes) -> Bools:
    """(n,): which votes to fit. All of MOST_FITTED votes or fewer; else those on a random sample of the pairs, on gold
    questions, of annotators with few votes, and the first MINIMUM of everyone.
    """
    n = len(votes)
    if n <= MOST_FITTED:
        return np.ones(n, bool)
    person = np.unique(votes.annotator, return_inverse=True)[1]
    pair = np.unique(votes.pair, return_inverse=True)[1]
    counts = np.bincount(person)
    by_person = np.argsort(person, kind="stable")
    place = np.empty(n, int)
    place[by_person] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    drawn = np.random.default_rng(0).random(pair.max() + 1) < MOST_FITTED / n
    is_few = counts[person] <= MOST_FITTED // len(counts)
    rows: Bools = drawn[pair] | np.isfinite(votes.known) | is_few | (place < MINIMUM)
    return rows


def _build_sheet(votes: Votes, chance: ArrayLike | None) -> _Sheet:
    people, person = np.unique(votes.annotator, return_inverse=True)
    pairs, pair = np.unique(votes.pair, return_inverse=True)
    both, group = np.unique(person * len(pairs) + pair, return_inverse=True)
    group_person, group_pair = np.divmod(both, max(len(pairs), 1))
    better = np.full(len(pairs), 0.5)
    if chance is not None:
        better[pair] = np.clip(np.asarray(chance, float), 0.02, 0.98)
    known = np.zeros(len(pairs))
    is_known = np.isfinite(votes.known) & (votes.known != 0)
    known[pair[is_known]] = votes.known[is_known]
    better = np.where(known > 0, GOLD_ACCURACY, np.where(known < 0, 1 - GOLD_ACCURACY, better))
    prior = np.where(LEADS > 0, np.log(better)[:, None], np.log(1 - better)[:, None])
    decided = votes.vote != 0
    sign = np.sign(votes.vote[decided]).astype(int)
    table = _get_table_row(sign * votes.left[decided].astype(int), sign * votes.longer[decided].astype(int), sign)
    odds = max((~decided).sum(), 0.5) / max(decided.sum(), 1) * 4
    tie = np.log(odds / (2 * np.cosh(LEADS / 2) + odds))
    return _Sheet(votes, person, pair, people, len(pairs), group, group_person, group_pair, decided, table, prior,
                  known != 0, tie)  # fmt: skip


def _get_table_row(left: Codes, longer: Codes, sign: Codes) -> Codes:
    """The row of the honest tables for a vote.

    left, longer: 1 for a vote for the left or the longer answer, -1 against it, 0 if unknown.
    sign: 1 for the first answer, -1 for the second.
    """
    return ((left + 1) * 3 + longer + 1) * 2 + (sign > 0)


def _build_honest_tables() -> Floats:
    """(18, leads, skills and tastes): the chance of each kind of vote by an honest annotator."""
    tables = np.empty((18, len(LEADS), len(SKILLS), len(TASTES), len(TASTES)))
    for left in (-1, 0, 1):
        for longer in (-1, 0, 1):
            for sign in (-1, 1):
                sure = sign * SKILLS[None, :, None, None] * LEADS[:, None, None, None]
                sure = sure + left * TASTES[:, None] + longer * TASTES
                tables[_get_table_row(left, longer, sign)] = 1 / (1 + np.exp(-sure))
    return tables.reshape(18, len(LEADS), -1)


def _compute_likelihood(sheet: _Sheet, tables: Floats, weights: Floats, spam: Floats) -> Floats:
    """(votes, leads): the log chance of each vote, by the current estimate of its annotator.

    weights: (people, skills and tastes), posterior; the rest up to 1 is careless.
    spam: (decided,), the chance of each vote if careless.
    """
    likelihood = np.tile(sheet.tie, (len(sheet.person), 1))
    person = sheet.person[sheet.decided]
    rest = (1 - weights.sum(1))[person, None] * spam[:, None]
    for kind in range(18):
        rows = np.flatnonzero(sheet.table == kind)
        if len(rows):
            likelihood[np.flatnonzero(sheet.decided)[rows]] = np.log(
                weights[person[rows]] @ tables[kind].T + rest[rows]
            )
    return likelihood


def _compute_honest_odds(sheet: _Sheet, tables: Floats, others: Floats) -> Floats:
    """(groups, skills and tastes): the log chance of each group of votes if honest.

    others: (groups, leads), the posterior of the pair's lead from the other annotators' votes.
    """
    group = sheet.group[sheet.decided]
    alone = np.bincount(group, minlength=len(others))[group] == 1
    odds = np.zeros((len(others), tables.shape[2]))
    for kind in range(18):
        rows = group[alone & (sheet.table == kind)]
        odds[rows] = np.log(others[rows] @ tables[kind])
    several = np.unique(group[~alone])
    order = np.flatnonzero(~alone)[np.argsort(group[~alone], kind="stable")]
    for start in range(0, len(several), 4096):
        chunk = several[start : start + 4096]
        rows = order[slice(*np.searchsorted(group[order], [chunk[0], chunk[-1] + 1]))]
        logs = _sum_by(
            np.searchsorted(chunk, group[rows]), np.log(tables)[sheet.table[rows]].reshape(len(rows), -1), len(chunk)
        )
        chances = np.exp(logs).reshape(len(chunk), len(LEADS), -1)
        odds[chunk] = np.log((others[chunk][:, :, None] * chances).sum(1))
    return odds


def _estimate_habits(
    sheet: _Sheet, honest: Floats, usual: Floats, shares: dict[str, float]
) -> tuple[Floats, Floats, Floats]:
    """(by_habit, by_skill, spam): the posterior of the annotators.

    by_habit: (people, habits).
    by_skill: (people, skills and tastes), if honest.
    spam: (decided,), the chance of each vote if careless.
    """
    logs, skills, spam = _compute_evidence(sheet, honest, usual)
    by_habit = _normalise(logs + np.log([shares[habit] for habit in HABITS]))
    dishonest = by_habit[:, 1:] / np.maximum(by_habit[:, 1:].sum(1, keepdims=True), 1e-12)
    return by_habit, skills, (dishonest[sheet.person[sheet.decided]] * spam).sum(1)


def _compute_evidence(sheet: _Sheet, honest: Floats, usual: Floats) -> tuple[Floats, Floats, Floats]:
    """(logs, skills, spam): the likelihood of the habits.

    logs: (people, habits), the log chance of an annotator's votes.
    skills: (people, skills and tastes), posterior if honest.
    spam: (decided, careless habits), the chance of each vote.
    """
    size = len(sheet.people)
    sums = _sum_by(sheet.group_person, honest, size) + np.log(usual)
    plain, mostly = compute_tie_odds(sheet)
    spam = compute_spam_chances(sheet, by_habit=True)
    logs = np.empty((size, len(HABITS)))
    logs[:, 0] = np.logaddexp.reduce(sums, axis=1) + plain
    for place, habit in enumerate(HABITS[1:], 1):
        if habit == "drifts":
            logs[:, place] = compute_drift_evidence(sheet, honest, usual) + plain
        else:
            logs[:, place] = compute_spam_evidence(sheet, habit) + (mostly if habit == "ties" else plain)
    return logs, _normalise(sums), spam


def _estimate_shares(by_habit: Floats) -> dict[str, float]:
    """{habit: its share of the annotators}, shrunk towards PRIOR_SHARES."""
    before = np.array([PRIOR_SHARES.get(habit, (1 - PRIOR_SHARES[HONEST]) / (len(HABITS) - 1)) for habit in HABITS])
    weights = by_habit.sum(0) + before * SHARES_PRIOR_WEIGHT
    return dict(zip(HABITS, weights / weights.sum(), strict=True))


def _estimate_shape(posterior: Floats, rows: Bools, before: Floats) -> Floats:
    """(leads,): the distribution of leads over pairs, symmetric.

    posterior: (pairs, leads).
    rows: (pairs,), the pairs to use.
    before: (leads,), the previous estimate, which weighs 20 pairs.
    """
    if not rows.any():
        return before
    shape = posterior[rows].sum(0) + 20 * before
    shape = shape + shape[::-1]
    shares: Floats = shape / shape.sum()
    return shares


def _build_bell(middle: float, width: float) -> Floats:
    bell = np.exp(-((np.abs(LEADS) - middle) ** 2) / (2 * width**2)) * np.gradient(LEADS)
    shares: Floats = bell / bell.sum()
    return shares


def _build_result(
    sheet: _Sheet, honest: Floats, usual: Floats, shares: dict[str, float], shapes: Floats
) -> Reliability:
    logs, skills, _ = _compute_evidence(sheet, honest, usual)
    by_habit = _normalise(logs + np.log([shares[habit] for habit in HABITS]))
    others = np.log(np.full(len(HABITS) - 1, 1 / (len(HABITS) - 1)))
    with np.errstate(over="ignore"):
        evidence = np.exp(np.logaddexp.reduce(logs[:, 1:] + others, axis=1) - logs[:, 0])
    grid = skills.reshape(len(skills), len(SKILLS), len(TASTES), len(TASTES))
    right = (shapes[0][:, None] / (1 + np.exp(-np.abs(LEADS)[:, None] * SKILLS))).sum(0)
    decided = np.bincount(sheet.person[sheet.decided], minlength=len(sheet.people))
    return Reliability(
        annotator=sheet.people,
        reliability=0.5 + by_habit[:, 0] * (grid.sum((2, 3)) @ right - 0.5),
        careless_probability=1 - by_habit[:, 0],
        evidence=evidence,
        habit=np.array(HABITS[1:])[by_habit[:, 1:].argmax(1)],
        is_marked=(evidence >= MARKED_AT) & (decided >= MINIMUM),
        decided=decided,
        left_pull=grid.sum((1, 3)) @ TASTES,
        longer_pull=grid.sum((1, 2)) @ TASTES,
        shares=shares,
    )


def _sum_by(codes: Ints, rows: Floats, size: int) -> Floats:
    """(size, …): the sums of the rows with each code."""
    from scipy.sparse import csr_array

    n = len(codes)
    sums: Floats = csr_array((np.ones(n), (codes, np.arange(n))), (size, n)) @ rows
    return sums


def _normalise(logs: Floats) -> Floats:
    """Probabilities along the last axis, from log weights."""
    weights = np.exp(logs - logs.max(-1, keepdims=True))
    chances: Floats = weights / weights.sum(-1, keepdims=True)
    return chances

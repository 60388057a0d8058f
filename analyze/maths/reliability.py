"""Who judges with care: a model of noisy annotators and of the ways in which people do not judge at all.

Each pair has a lead d of its first answer, unknown; an honest person chooses the first with chance logistic(skill · d
+ side · left + length · longer). That is GLAD (Whitehill et al. 2009, "Whose vote should count more", ability times
difficulty) for two answers without names, with biases of people as in Welinder et al. (2010), "The multidimensional
wisdom of crowds". Against it stand people who do not look: they choose at random, by side or by length, or do so from
some moment on: the copying or spamming of MACE (Hovy et al. 2013), where the spam is of what is on the screen. Leads,
habits and their shares are fitted by expectation maximisation, leads on a grid without a shape given.

A person's votes are held against what all others said of the same pairs, never against their own.
"""

from dataclasses import dataclass

import numpy as np

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

SIZES = np.array([0.1, 0.4, 0.8, 1.3, 1.9, 2.6, 3.5, 5.0])
LEADS = np.concatenate([-SIZES[::-1], SIZES])
GOLD_ACCURACY = 0.98  # that a known answer is right
ROUNDS = 8
MINIMUM = 20  # decided votes; of somebody with fewer nothing is said
MARKED_AT = 20.0  # evidence: at most one honest person in twenty ever reaches it
SHARES_PRIOR_WEIGHT = 6.0  # how many people's worth of belief in PRIOR_SHARES a dataset starts with
SKILLS_PRIOR_WEIGHT = 5.0  # and in how skills are spread
PRIOR_SHARES = {HONEST: 0.85}  # the rest is shared out evenly


@dataclass(frozen=True)
class Reliability:
    """A line for each annotator. `evidence` is the Bayes factor of "does not look" against "honest", an e-value: the
    chance that an honest person ever reaches x, however often one looks, is about 1 / x at most (Ville 1939; Grünwald,
    de Heide and Koolen 2024, "Safe testing")."""

    annotator: np.ndarray
    reliability: np.ndarray  # chance to choose the better answer of a pair; 0.5 is a coin's
    careless_probability: np.ndarray
    evidence: np.ndarray
    habit: np.ndarray  # the likeliest one that is not honest
    is_marked: np.ndarray  # enough votes, and evidence of MARKED_AT
    decided: np.ndarray  # votes that were no tie
    left_pull: np.ndarray  # of an honest self: log-odds for the left, for the longer
    longer_pull: np.ndarray
    shares: dict  # of the habits among these people
    minimum: int = MINIMUM
    marked_at: float = MARKED_AT

    def compute_weights(self, annotator):
        """What each vote in a column of annotators should weigh, 0 to 1 for the most reliable: log-odds of being right
        (Nitzan and Paroush 1982, "Optimal decision rules in uncertain dichotomous choice situations"). 0.5 where the
        annotator is not known."""
        odds = np.log(np.clip(self.reliability, 0.5, 0.99) / (1 - np.clip(self.reliability, 0.5, 0.99)))
        weight = dict(zip(self.annotator.tolist(), odds / max(odds.max(initial=0), 1e-9), strict=True))
        return np.array([weight.get(name, 0.5) for name in np.asarray(annotator).tolist()])


@dataclass(frozen=True)
class _Sheet:
    """The votes with codes, ready for the fit. `group` joins the votes of one person on one pair."""

    votes: object
    person: np.ndarray
    pair: np.ndarray
    people: np.ndarray
    pairs: int
    group: np.ndarray
    group_person: np.ndarray
    group_pair: np.ndarray
    decided: np.ndarray
    table: np.ndarray  # row of `honest` for each decided vote
    prior: np.ndarray  # log, of each pair's leads, without their shape
    is_gold: np.ndarray
    tie: np.ndarray  # log chance of a tie at each lead


def fit_reliability(votes, chance=None):
    """The Reliability of people from Votes. `chance`, where given, is for each vote the chance that the first answer is
    the better one by what else is known: strengths of the sources, or a predictor that never saw the pair."""
    sheet = _build_sheet(votes, chance)
    tables = _build_honest_tables()
    shapes = np.stack([_build_bell(0.0, 2.0), _build_bell(3.0, 1.5)])  # of ordinary and of gold pairs
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
    return _build_result(sheet, honest, usual, shares, shapes)


def _build_sheet(votes, chance):
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


def _get_table_row(left, longer, sign):
    """The row of the tables for a vote: for what is on the left (1), against it (-1), for the longer, for the first."""
    return ((left + 1) * 3 + longer + 1) * 2 + (sign > 0)


def _build_honest_tables():
    """(18, leads, skills and tastes): the chance of a vote of each kind by an honest person."""
    tables = np.empty((18, len(LEADS), len(SKILLS), len(TASTES), len(TASTES)))
    for left in (-1, 0, 1):
        for longer in (-1, 0, 1):
            for sign in (-1, 1):
                sure = sign * SKILLS[None, :, None, None] * LEADS[:, None, None, None]
                sure = sure + left * TASTES[:, None] + longer * TASTES
                tables[_get_table_row(left, longer, sign)] = 1 / (1 + np.exp(-sure))
    return tables.reshape(18, len(LEADS), -1)


def _compute_likelihood(sheet, tables, weights, spam):
    """Of each vote, by lead: its log chance from its person as known so far."""
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


def _compute_honest_odds(sheet, tables, others):
    """Of each person's votes on a pair, by skill and tastes: their log chance if they are honest."""
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


def _estimate_habits(sheet, honest, usual, shares):
    """(chance of each habit, of each skill and taste if honest, chance of each decided vote if not honest)"""
    logs, skills, spam = _compute_evidence(sheet, honest, usual)
    by_habit = _normalise(logs + np.log([shares[habit] for habit in HABITS]))
    dishonest = by_habit[:, 1:] / np.maximum(by_habit[:, 1:].sum(1, keepdims=True), 1e-12)
    return by_habit, skills, (dishonest[sheet.person[sheet.decided]] * spam).sum(1)


def _compute_evidence(sheet, honest, usual):
    """(log chance of each person's votes by habit, chances of skill and tastes, each decided vote's chance by habit)"""
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


def _estimate_shares(by_habit):
    """How many have each habit, drawn towards PRIOR_SHARES."""
    before = np.array([PRIOR_SHARES.get(habit, (1 - PRIOR_SHARES[HONEST]) / (len(HABITS) - 1)) for habit in HABITS])
    weights = by_habit.sum(0) + before * SHARES_PRIOR_WEIGHT
    return dict(zip(HABITS, weights / weights.sum(), strict=True))


def _estimate_shape(posterior, rows, before):
    """How the sizes of leads are spread over pairs, both signs alike."""
    if not rows.any():
        return before
    shape = posterior[rows].sum(0) + 20 * before
    shape = shape + shape[::-1]
    return shape / shape.sum()


def _build_bell(middle, width):
    bell = np.exp(-((np.abs(LEADS) - middle) ** 2) / (2 * width**2)) * np.gradient(LEADS)
    return bell / bell.sum()


def _build_result(sheet, honest, usual, shares, shapes):
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


def _sum_by(codes, rows, size):
    """The sums of rows with one code."""
    from scipy.sparse import csr_array

    n = len(codes)
    return csr_array((np.ones(n), (codes, np.arange(n))), (size, n)) @ rows


def _normalise(logs):
    """Chances along the last axis from their logs."""
    chances = np.exp(logs - logs.max(-1, keepdims=True))
    return chances / chances.sum(-1, keepdims=True)

"""Habits of careless judging, and how likely an annotator's votes are under each. See reliability.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analyze.maths.arrays import Bools, Floats, Ints

if TYPE_CHECKING:
    from analyze.maths.reliability import _Sheet

HONEST = "honest"
# `careless` votes at random, `left` to `shorter` always click that answer, `ties` mostly calls ties, `drifts` judges
# honestly at first and at random later.
HABITS = (HONEST, "careless", "left", "right", "longer", "shorter", "ties", "drifts")
SKILLS = np.array([0.5, 0.72, 1.0, 1.4, 2.0])
TASTES = np.array([-0.5, 0.0, 0.5])
CLICK_RATES = (0.82, 0.95)  # how often someone with a clicking habit follows it
BREAK, NIGHT = 1800.0, 6 * 3600.0  # seconds without a vote: a pause; the end of a day
PAUSE_FACTOR = 3.0  # prior odds that care ends at a pause, or at the first pause of each day, over any other moment
MOST_MOMENTS = 40  # candidates for the moment when care ends
MOSTLY_TIES, TIES_SPREAD = (8.0, 1.0), 3.0


def build_honest_prior() -> Floats:
    """(skills * tastes * tastes,): the prior of an honest annotator's skill, pull to the left and pull to the longer.

    >>> build_honest_prior().shape, round(float(build_honest_prior().sum()), 6)
    ((45,), 1.0)
    """
    skill = np.exp(-(np.log(SKILLS) ** 2) / (2 * 0.35**2))
    taste = np.array([0.2, 0.6, 0.2])
    weights = skill[:, None, None] * taste[:, None] * taste
    prior: Floats = (weights / weights.sum()).ravel()
    return prior


def compute_spam_chances(sheet: _Sheet, by_habit: bool = False) -> Floats:
    """(decided,): the chance of each decided vote if it is careless, averaged over the careless habits.

    by_habit: returns (decided, habits) instead, without HONEST.

    >>> from analyze.maths.reliability import _build_sheet
    >>> from analyze.maths.votes import Votes
    >>> sheet = _build_sheet(Votes(["ann"], [1], [1], left=[1]), None)
    >>> compute_spam_chances(sheet, by_habit=True).round(3).tolist()
    [[0.5, 0.885, 0.115, 0.5, 0.5, 0.5, 0.5]]
    """
    columns = []
    for habit in HABITS[1:]:
        clicked = match_habit(sheet, habit)
        pull = np.mean(CLICK_RATES)
        columns.append(np.where(clicked == 0, 0.5, np.where(clicked > 0, pull, 1 - pull)))
    chances = np.stack(columns, axis=1)
    return chances if by_habit else chances.mean(1)


def match_habit(sheet: _Sheet, habit: str) -> Ints:
    """(decided,): 1 if a vote follows the clicking habit, -1 if it goes against it, 0 if neither."""
    votes = sheet.votes
    column = {"left": votes.left, "right": -votes.left, "longer": votes.longer, "shorter": -votes.longer}.get(habit, 0)
    return (votes.vote * column)[sheet.decided]


def compute_spam_evidence(sheet: _Sheet, habit: str) -> Floats:
    """(people,): the log chance of each annotator's decided votes under a habit, averaged over CLICK_RATES.

    >>> from analyze.maths.reliability import _build_sheet
    >>> from analyze.maths.votes import Votes
    >>> sheet = _build_sheet(Votes(["ann"], [1], [1], left=[1]), None)
    >>> np.exp(compute_spam_evidence(sheet, "left")).round(3).tolist()
    [0.885]
    """
    person, size = sheet.person[sheet.decided], len(sheet.people)
    clicked = match_habit(sheet, habit)
    hits, misses, neither = (np.bincount(person, clicked == sign, size) for sign in (1, -1, 0))
    logs = [hits * np.log(pull) + misses * np.log(1 - pull) for pull in CLICK_RATES]
    evidence: Floats = np.logaddexp(*logs) - np.log(2) + neither * np.log(0.5)
    return evidence


def compute_tie_odds(sheet: _Sheet) -> tuple[Floats, Floats]:
    """(usual, mostly ties): the log chance of each annotator's number of ties, (people,) each; beta-binomial.

    Under the usual rate of this dataset, and under the habit `ties`.

    >>> from analyze.maths.reliability import _build_sheet
    >>> from analyze.maths.votes import Votes
    >>> usual, mostly = compute_tie_odds(_build_sheet(Votes(["ann"] * 4, [1, 2, 3, 4], [0, 0, 0, 0]), None))
    >>> round(float(np.exp(mostly[0])), 3)
    0.667
    """
    from scipy.special import betaln

    size = len(sheet.people)
    n = np.bincount(sheet.person, minlength=size)
    tied = n - np.bincount(sheet.person[sheet.decided], minlength=size)
    usual = np.median((tied + 0.5) / (n + 1)) if size else 0.5
    plain = TIES_SPREAD * usual, TIES_SPREAD * (1 - usual)
    usually, mostly = (betaln(tied + a, n - tied + b) - betaln(a, b) for a, b in (plain, MOSTLY_TIES))
    return usually, mostly


def compute_drift_evidence(sheet: _Sheet, honest: Floats, usual: Floats) -> Floats:
    """(people,): the log chance of each annotator's votes if care ended at some moment, averaged over the moments.

    honest: (groups, skills and tastes), the log chance of the votes on each pair if honest.
    usual: (skills and tastes,), the distribution of skills and tastes.

    Where an annotator made pauses, most of the prior is on these, and on "after the first pause of each day".

    >>> from analyze.maths.reliability import _build_sheet
    >>> from analyze.maths.votes import Votes
    >>> sheet, usual = _build_sheet(Votes(["ann"] * 2, [1, 2], [1, -1]), None), build_honest_prior()
    >>> np.exp(compute_drift_evidence(sheet, np.zeros((2, len(usual))), usual)).tolist()  # too few votes: coin flips
    [0.25]
    """
    decided = sheet.decided
    last = np.zeros(len(honest), int)
    votes = np.bincount(sheet.group[decided], minlength=len(honest))
    order = _sort_votes(sheet)
    last[sheet.group[order]] = np.arange(len(order))  # rank of each group's last vote
    weights = np.log(usual)
    when = sheet.votes.when[order]
    evidence = np.full(len(sheet.people), -np.inf)
    groups = np.lexsort((last, sheet.group_person))
    bounds = np.searchsorted(sheet.group_person[groups], np.arange(len(sheet.people) + 1))
    for person in range(len(sheet.people)):
        own = groups[bounds[person] : bounds[person + 1]]
        own = own[votes[own] > 0]
        if len(own) < 4:
            evidence[person] = len(own) * np.log(0.5)
            continue
        places, daily, chance = _choose_moments(when[last[own]], len(own))
        gained = votes[own, None] * np.log(0.5) - honest[own]  # by a lack of care
        sums = np.cumsum(gained[::-1], axis=0)[::-1][places]
        logs = honest[own].sum(0) + np.vstack([sums, *(gained[part].sum(0) for part in daily)])
        evidence[person] = np.logaddexp.reduce(logs + weights + np.log(chance)[:, None], axis=None)
    return evidence


def _sort_votes(sheet: _Sheet) -> Ints:
    when = np.where(np.isfinite(sheet.votes.when), sheet.votes.when, np.arange(len(sheet.person)))
    return np.lexsort((when, sheet.person))


def _choose_moments(when: Floats, n: int) -> tuple[Ints, list[Bools], Floats]:
    """(places, parts, chances): the candidates for the end of care, and their prior.

    places: (m,), indices of the votes from which on an annotator may be careless.
    parts: masks (n,) of other sets of votes that may be careless.
    chances: (m + parts,).
    """
    places = np.unique(np.linspace(n * 0.2, n * 0.8, MOST_MOMENTS).astype(int))
    parts: list[Bools] = []
    chances = np.full(len(places), 1 / len(places))
    breaks: Ints | list[int] = np.flatnonzero(np.diff(when) > BREAK) + 1 if np.isfinite(when).all() else []
    gaps = [gap for gap in breaks if n * 0.1 <= gap <= n * 0.9]
    if gaps:
        places = np.append(places, gaps[:MOST_MOMENTS])
        chances = np.append(chances, np.full(len(gaps[:MOST_MOMENTS]), PAUSE_FACTOR / len(gaps[:MOST_MOMENTS])))
        daily = _is_after_first_pause(when)
        if daily.any() and not daily.all():
            parts.append(daily)
            chances = np.append(chances, PAUSE_FACTOR)
    return places, parts, chances / chances.sum()


def _is_after_first_pause(when: Floats) -> Bools:
    """(n,): whether a vote is after the first pause of its day."""
    gaps = np.diff(when, prepend=when[0])
    day, pauses = np.cumsum(gaps >= NIGHT), np.cumsum((gaps > BREAK) & (gaps < NIGHT))
    before = np.searchsorted(day, day)  # the first vote of the same day
    return pauses > pauses[before]

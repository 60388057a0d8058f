"""The ways to judge without looking, and how likely a person's votes are under each. See reliability.py."""

import numpy as np

HONEST = "honest"
# `careless` draws at random, `left` to `shorter` click so, `ties` calls most of it a tie, `drifts` looks, then stops.
HABITS = (HONEST, "careless", "left", "right", "longer", "shorter", "ties", "drifts")
SKILLS = np.array([0.5, 0.72, 1.0, 1.4, 2.0])
TASTES = np.array([-0.5, 0.0, 0.5])
CLICK_RATES = (0.82, 0.95)  # how often somebody clicks what they always click
BREAK, NIGHT = 1800.0, 6 * 3600.0  # seconds without a vote: a pause, and what divides days
PAUSE_FACTOR = 3.0  # how much likelier people stop looking at a pause, or at the first of each day, than at any moment
MOST_MOMENTS = 40  # moments looked at, at most, from which on somebody may have stopped looking
MOSTLY_TIES, TIES_SPREAD = (8.0, 1.0), 3.0


def build_honest_prior():
    """How the skills and tastes of honest people are spread, before a vote is seen."""
    skill = np.exp(-(np.log(SKILLS) ** 2) / (2 * 0.35**2))
    taste = np.array([0.2, 0.6, 0.2])
    weights = skill[:, None, None] * taste[:, None] * taste
    return (weights / weights.sum()).ravel()


def compute_spam_chances(sheet, by_habit=False):
    """The chance of each decided vote from somebody who does not look: by habit, a column each, or all together."""
    columns = []
    for habit in HABITS[1:]:
        clicked = match_habit(sheet, habit)
        pull = np.mean(CLICK_RATES)
        columns.append(np.where(clicked == 0, 0.5, np.where(clicked > 0, pull, 1 - pull)))
    chances = np.stack(columns, axis=1)
    return chances if by_habit else chances.mean(1)


def match_habit(sheet, habit):
    """Of each decided vote: 1 where it went as the habit clicks, -1 where not, 0 where that says nothing."""
    votes = sheet.votes
    column = {"left": votes.left, "right": -votes.left, "longer": votes.longer, "shorter": -votes.longer}.get(habit, 0)
    return (votes.vote * column)[sheet.decided]


def compute_spam_evidence(sheet, habit):
    """The log chance of each person's decided votes under a habit, either of CLICK_RATES alike."""
    person, size = sheet.person[sheet.decided], len(sheet.people)
    clicked = match_habit(sheet, habit)
    hits, misses, neither = (np.bincount(person, clicked == sign, size) for sign in (1, -1, 0))
    logs = [hits * np.log(pull) + misses * np.log(1 - pull) for pull in CLICK_RATES]
    return np.logaddexp(*logs) - np.log(2) + neither * np.log(0.5)


def compute_tie_odds(sheet):
    """(plain, mostly ties): the log chance of how often each person called a tie, as people here do, and as somebody
    does who calls most of it a tie. Beta-binomial."""
    from scipy.special import betaln

    size = len(sheet.people)
    n = np.bincount(sheet.person, minlength=size)
    tied = n - np.bincount(sheet.person[sheet.decided], minlength=size)
    usual = np.median((tied + 0.5) / (n + 1)) if size else 0.5
    plain = TIES_SPREAD * usual, TIES_SPREAD * (1 - usual)
    return tuple(betaln(tied + a, n - tied + b) - betaln(a, b) for a, b in (plain, MOSTLY_TIES))


def compute_drift_evidence(sheet, honest, usual):
    """The log chance of each person's votes if they looked up to some moment and not from there on, over all moments
    that may be, most of the chance on pauses and on "after the first pause of each day", where there are any."""
    decided = sheet.decided
    last = np.zeros(len(honest), int)
    votes = np.bincount(sheet.group[decided], minlength=len(honest))
    order = _sort_votes(sheet)
    last[sheet.group[order]] = np.arange(len(order))  # where in the order each group was judged last
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
        gained = votes[own, None] * np.log(0.5) - honest[own]  # by not looking
        sums = np.cumsum(gained[::-1], axis=0)[::-1][places]
        logs = honest[own].sum(0) + np.vstack([sums, *(gained[part].sum(0) for part in daily)])
        evidence[person] = np.logaddexp.reduce(logs + weights + np.log(chance)[:, None], axis=None)
    return evidence


def _sort_votes(sheet):
    when = np.where(np.isfinite(sheet.votes.when), sheet.votes.when, np.arange(len(sheet.person)))
    return np.lexsort((when, sheet.person))


def _choose_moments(when, n):
    """(from which votes on somebody may not have looked, which votes else may be without, the chance of each)"""
    places = np.unique(np.linspace(n * 0.2, n * 0.8, MOST_MOMENTS).astype(int))
    parts = []
    chances = np.full(len(places), 1 / len(places))
    gaps = np.flatnonzero(np.diff(when) > BREAK) + 1 if np.isfinite(when).all() else []
    gaps = [gap for gap in gaps if n * 0.1 <= gap <= n * 0.9]
    if len(gaps):
        places = np.append(places, gaps[:MOST_MOMENTS])
        chances = np.append(chances, np.full(len(gaps[:MOST_MOMENTS]), PAUSE_FACTOR / len(gaps[:MOST_MOMENTS])))
        daily = _is_after_first_pause(when)
        if daily.any() and not daily.all():
            parts.append(daily)
            chances = np.append(chances, PAUSE_FACTOR)
    return places, parts, chances / chances.sum()


def _is_after_first_pause(when):
    """Which votes came after the first pause of their day."""
    gaps = np.diff(when, prepend=when[0])
    day, pauses = np.cumsum(gaps >= NIGHT), np.cumsum((gaps > BREAK) & (gaps < NIGHT))
    before = np.searchsorted(day, day)  # the first vote of the same day
    return pauses > pauses[before]

"""Agreement: values from the literature, closed forms, coverage of the intervals."""

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyze.maths.agreement import (
    INTERVAL,
    NOMINAL,
    ORDINAL,
    _compute_alphas,
    _count_patterns,
    compare_days,
    compare_people,
    compute_agreement,
)
from analyze.maths.votes import Votes, pair_votes

NAN = np.nan
# Krippendorff (2011), example C: four observers, twelve units.
TEXTBOOK = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)
VOTES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(-1, 1)), max_size=40)


def build_columns(table):
    people, units = np.nonzero(~np.isnan(table))
    return units, people, table[people, units]


@pytest.mark.parametrize(("level", "alpha"), [(NOMINAL, 0.743), (ORDINAL, 0.815), (INTERVAL, 0.849)])
def test_the_textbooks_example(level, alpha):
    found = compute_agreement(*build_columns(TEXTBOOK), level)
    assert found.alpha == pytest.approx(alpha, abs=5e-4)
    assert found.alpha_interval[0] < found.alpha < found.alpha_interval[1]
    assert (found.units, found.votes) == (11, 40)


def test_percent_counts_couples_of_votes():
    found = compute_agreement([1, 1, 1, 2, 2, 3], list("abcaba"), [1, 1, -1, 0, 0, 1])
    assert (found.couples, found.percent) == (4, 0.5)
    assert found.units == 2


def test_where_nobody_judged_the_same_nothing_is_said():
    found = compute_agreement([1, 2, 3], ["a", "a", "b"], [1, 1, 0])
    assert np.isnan([found.percent, found.alpha, *found.alpha_interval]).all()
    assert found.units == 0
    assert np.isnan(compute_agreement([1, 1], ["a", "b"], [1, 1]).alpha), "no variation, no alpha"
    assert compute_agreement([1, 1], ["a", "b"], [1, 1]).percent == 1


@settings(deadline=None)
@given(VOTES, st.sampled_from([NOMINAL, INTERVAL, ORDINAL]))
def test_alpha_of_the_bootstrap_is_the_librarys(votes, level):
    once = {(unit, person): value for unit, person, value in votes}
    unit, value = [key[0] for key in once], list(once.values())
    patterns, times, domain = _count_patterns(unit, value)
    used = [value for value, n in zip(domain, patterns.sum(0), strict=True) if n]
    if len(used) < 2:
        return
    ours = _compute_alphas(patterns, times[None, :], domain, level)[0]
    table = np.repeat(patterns, times, axis=0)
    theirs = krippendorff.alpha(value_counts=table, value_domain=domain, level_of_measurement=level)
    assert ours == pytest.approx(theirs)


def test_the_intervals_hold_as_often_as_they_say():
    """Two people are each right with probability 0.9, so they agree with probability 0.82."""
    rng = np.random.default_rng(1)
    held = []
    for _ in range(200):
        truth = rng.choice([-1, 1], 150)
        said = np.where(rng.random((2, 150)) < 0.9, truth, -truth)
        found = compute_agreement(np.tile(np.arange(150), 2), np.repeat([0, 1], 150), said.ravel())
        low, high = found.percent_interval
        alpha_low, alpha_high = found.alpha_interval
        held.append((low <= 0.82 <= high, alpha_low <= 0.64 <= alpha_high))
    assert np.mean(held, axis=0) == pytest.approx([0.95, 0.95], abs=0.03)


def test_a_million_votes_take_seconds():
    rng = np.random.default_rng(2)
    unit, value = np.repeat(np.arange(50_000), 4), rng.integers(-3, 4, 200_000)
    found = compute_agreement(unit, np.tile(np.arange(4), 50_000), value, INTERVAL)
    assert found.alpha == pytest.approx(0, abs=0.01)


def test_people_are_paired_once():
    found = compare_people([1, 1, 2, 2, 2], ["a", "b", "b", "a", "c"], [1, 1, 0, 1, 0])
    lines = list(zip(found.one, found.other, found.same.value, found.same.n, strict=True))
    assert lines == [("a", "b", 0.5, 2), ("a", "c", 0, 1), ("b", "c", 1, 1)]


@settings(deadline=None)
@given(VOTES)
def test_couples_are_those_of_a_plain_loop(votes):
    unit, person = [vote[0] for vote in votes], [vote[1] for vote in votes]
    one, other = pair_votes(unit, person)
    found = sorted(tuple(sorted(couple)) for couple in zip(one.tolist(), other.tolist(), strict=True))
    n = range(len(votes))
    assert found == [(i, j) for i in n for j in n if i < j and unit[i] == unit[j] and person[i] != person[j]]


def test_votes_fill_what_is_not_known():
    votes = Votes(["a"], [1], [1])
    assert (votes.left[0], votes.again[0], len(votes)) == (0, False, 1)
    assert np.isnan(votes.known[0])
    with pytest.raises(ValueError, match="lengths: left"):
        Votes(["a"], [1], [1], left=[1, 1])


def test_a_couple_of_votes_counts_on_the_day_of_the_later_one():
    draw = np.random.default_rng(4)
    unit, value, day = draw.integers(0, 5, 60), draw.integers(-1, 2, 60), draw.integers(0, 9, 60)
    daily = compare_days(unit, value, day, since=3)
    couples = [(i, j) for i in range(60) for j in range(i) if unit[i] == unit[j] and max(day[i], day[j]) >= 3]
    for n, when in enumerate(daily.day.tolist()):
        of_day = [value[i] == value[j] for i, j in couples if max(day[i], day[j]) == when]
        assert (daily.same.n[n], daily.same.value[n]) == (len(of_day), np.mean(of_day))
    assert daily.day.tolist() == [3, 4, 5, 6, 7, 8]

"""Cycles, opposite votes, stars against choices."""

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from analyze.maths.contradictions import find_cycles_across, find_cycles_within, find_opposites, find_star_conflicts

ARROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(lambda pair: pair[0] < pair[1]), unique=True)


def test_a_person_who_goes_in_a_circle():
    found = find_cycles_within(["p"] * 4, ["ann"] * 4, list("abcd"), list("bcad"))
    assert [(cycle.prompt, cycle.annotator, len(cycle.answers)) for cycle in found] == [("p", "ann", 3)]
    assert set(found[0].answers) == {"a", "b", "c"}
    assert sorted(found[0].rows) == [0, 1, 2]


def test_two_people_or_two_prompts_make_no_circle_of_one():
    assert find_cycles_within(["p"] * 3, ["ann", "ann", "bob"], list("abc"), list("bca")) == []
    assert find_cycles_within(["p", "p", "q"], ["ann"] * 3, list("abc"), list("bca")) == []
    assert find_cycles_within(["p"] * 3, ["ann"] * 3, list("abc"), list("bca"), [1, 1, 0]) == []


def test_majorities_go_in_a_circle():
    chosen, rejected = list("aab") + list("bbc") + list("cca"), list("bba") + list("ccb") + list("aac")
    (found,) = find_cycles_across(["p"] * 9, chosen, rejected)
    assert (found.annotator, set(found.answers)) == (None, {"a", "b", "c"})
    assert all(chosen[row] == a for row, a in zip(found.rows, found.answers, strict=True))
    assert find_cycles_across(["p"] * 3, list("aab"), list("bba")) == []


def test_opposite_votes_and_whose():
    found = find_opposites(["ann", "bob", "ann", "cat", "cat"], list("aabca"), list("bbadd"), [1, 1, 1, 1, 1])
    assert (found.one.tolist(), found.other.tolist()) == (["a"], ["b"])
    assert (found.for_one[0], found.for_other[0], found.by_one_person[0]) == (2, 1, True)
    assert found.rows == ((0, 1, 2),)
    assert len(find_opposites(["ann", "bob"], ["a", "b"], ["b", "a"], [1, 0]).one) == 0


def test_the_most_evenly_split_come_first():
    found = find_opposites([1] * 7, list("abcdcdd"), list("badcdcc"))
    assert found.one.tolist() == ["c", "a"]
    assert (found.for_one.tolist(), found.for_other.tolist()) == ([2, 1], [3, 1])


def test_stars_against_the_choice():
    assert find_star_conflicts([5, 2, 1, 3], [3, 3, 5, float("nan")]).tolist() == [2, 1]
    assert find_star_conflicts([5, 4, 1], [3, 5, 5], [0, 0, 1]).tolist() == [2, 0]


@settings(deadline=None)
@given(ARROWS)
def test_an_order_has_no_circle(arrows):
    chosen, rejected = [a for a, _ in arrows], [b for _, b in arrows]
    assert find_cycles_across([1] * len(arrows), chosen, rejected) == []


@settings(deadline=None)
@given(st.lists(st.permutations(range(5)).map(lambda order: order[:2]), unique_by=frozenset, max_size=10))
def test_a_circle_is_found_where_there_is_one_and_is_the_shortest(arrows):
    """At most one edge between two answers; checks all cycles of up to five."""
    said = {tuple(pair) for pair in arrows}
    found = find_cycles_within([1] * len(arrows), [1] * len(arrows), [a for a, _ in arrows], [b for _, b in arrows])
    circles = [
        way
        for n in (3, 4, 5)
        for way in permutations(range(5), n)
        if all((a, b) in said for a, b in zip(way, (*way[1:], way[0]), strict=True))
    ]
    assert bool(found) == bool(circles)
    if found:
        assert min(len(cycle.answers) for cycle in found) == min(len(way) for way in circles)
        for cycle in found:
            assert tuple(cycle.answers) in circles

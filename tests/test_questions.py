"""Each question alone: valid input, and the choices it states. No request, no database."""

import itertools
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate import questions
from annotate.judging.question_spec import build_prefix, build_spec
from annotate.questions import best_worst, find_question, get_sides, load_questions, pair, rank, scale, stars
from datasets.models import Dataset

ALL = SimpleNamespace(allow_tie=True, allow_both_bad=True)
NONE = SimpleNamespace(allow_tie=False, allow_both_bad=False)
SEVEN = ["left3", "left2", "left1", "tie", "right1", "right2", "right3"]


@pytest.mark.parametrize(
    ("question", "settings_", "verdicts"),
    [
        (pair, ALL, ["left", "tie", "right", "both_bad"]),
        (pair, NONE, ["left", "right"]),
        (scale, ALL, [*SEVEN, "both_bad"]),
        (scale, NONE, [step for step in SEVEN if step != "tie"]),
        (rank, ALL, ["rank"]),
        (best_worst, NONE, ["rank"]),
        (stars, NONE, ["rate"]),
    ],
)
def test_the_verdicts_are_those_that_the_settings_allow(question, settings_, verdicts):
    assert question.verdicts(settings_) == verdicts


# (question, ids as shown, verdict, details, [(chosen, rejected, strength, rank gap)])
STATES = [
    (pair, [7, 3], "left", {}, {(7, 3, 1, None)}),
    (pair, [7, 3], "right", {}, {(3, 7, 1, None)}),
    (pair, [7, 3], "tie", {}, {(3, 7, 0, None)}),
    (pair, [7, 3], "both_bad", {}, set()),
    *((scale, [7, 3], f"left{n}", {}, {(7, 3, n, None)}) for n in (1, 2, 3)),
    *((scale, [7, 3], f"right{n}", {}, {(3, 7, n, None)}) for n in (1, 2, 3)),
    (scale, [7, 3], "tie", {}, {(3, 7, 0, None)}),
    (scale, [7, 3], "both_bad", {}, set()),
    (rank, [7, 3], "rank", {"rank": [2, 1]}, {(3, 7, 1, 1)}),
    (rank, [7, 3], "rank", {"rank": [2, 2]}, {(3, 7, 0, 0)}),
    (rank, [7, 3, 5], "rank", {"rank": [3, 1, 3]}, {(3, 7, 1, 1), (3, 5, 1, 1), (5, 7, 0, 0)}),
    (rank, [7, 3, 5], "rank", {"rank": [1, 2, 3]}, {(7, 3, 1, 1), (7, 5, 1, 2), (3, 5, 1, 1)}),
    (best_worst, [7, 3, 5], "rank", {"rank": [1, 2, 3]}, {(7, 3, 1, 1), (7, 5, 1, 2), (3, 5, 1, 1)}),
    (
        best_worst, [7, 3, 5, 9], "rank", {"rank": [2, 3, 2, 1]},
        {(9, 7, 1, 1), (9, 5, 1, 1), (9, 3, 1, 2), (7, 3, 1, 1), (5, 3, 1, 1)},
    ),
    (stars, [7], "rate", {"stars": [4]}, set()),
    (stars, [7, 3], "rate", {"stars": [4, 4]}, {(3, 7, 0, None)}),
    *((stars, [7, 3], "rate", {"stars": [1, 1 + n]}, {(3, 7, min(n, 3), None)}) for n in (1, 2, 3, 4)),
    (stars, [7, 3, 5], "rate", {"stars": [5, 1, 4]}, {(7, 3, 3, None), (7, 5, 1, None), (5, 3, 3, None)}),
]  # fmt: skip


@pytest.mark.parametrize(("question", "order", "verdict", "said", "choices"), STATES)
def test_what_is_said_states_these_choices(question, order, verdict, said, choices):
    found = question.choices(order, verdict, said)
    assert (set(found), len(found)) == (choices, len(choices))


def test_only_stars_are_ratings():
    assert stars.ratings([7, 3], {"stars": [4, 1]}) == [(7, 4), (3, 1)]
    assert [q.ratings([7, 3], {"rank": [1, 2]}) for q in (pair, scale, rank, best_worst)] == [[]] * 4


@pytest.mark.parametrize(
    ("question", "settings_", "places", "code"),
    [
        (rank, ALL, [1, 1, 2], ""),
        (rank, NONE, [1, 1, 2], "no_tie"),
        (rank, NONE, [2, 1, 3], ""),
        (best_worst, ALL, [1, 2, 3], ""),
        (best_worst, ALL, [2, 2, 2], "one_best_one_worst"),
        (best_worst, ALL, [1, 1, 3], "one_best_one_worst"),
        (best_worst, ALL, [1, 3, 3], "one_best_one_worst"),
        (best_worst, ALL, [1, 2, 2], "one_best_one_worst"),
        (pair, NONE, [], ""),
        (scale, NONE, [], ""),
        (stars, NONE, [], ""),
    ],
)
def test_what_cannot_be_has_a_code(question, settings_, places, code):
    assert question.wrong(settings_, {"rank": places}) == code


# --- for any order shown ----------------------------------------------------------------------------------------------

IDS = st.lists(st.integers(1, 10**6), min_size=2, max_size=6, unique=True)


@given(IDS, st.data())
def test_places_choose_the_same_answers_whatever_the_order(ids, data):
    places = dict(zip(ids, data.draw(st.lists(st.integers(1, 6), min_size=len(ids), max_size=len(ids))), strict=True))
    given_stars = {pk: min(5, place) for pk, place in places.items()}
    shown = data.draw(st.permutations(ids))
    for question, kind, said in ((rank, "rank", places), (best_worst, "rank", places), (stars, "stars", given_stars)):
        first = question.choices(ids, "", {kind: [said[pk] for pk in ids]})
        other = question.choices(shown, "", {kind: [said[pk] for pk in shown]})
        assert sorted(first, key=str) == sorted(other, key=str)


@given(IDS, st.data())
def test_a_ranking_states_each_pair_once_and_gaps_have_no_holes(ids, data):
    places = dict(zip(ids, data.draw(st.lists(st.integers(1, 6), min_size=len(ids), max_size=len(ids))), strict=True))
    choices = rank.choices(ids, "rank", {"rank": list(places.values())})
    assert {frozenset(choice[:2]) for choice in choices} == {frozenset(two) for two in itertools.combinations(ids, 2)}
    dense = sorted(set(places.values()))
    for chosen, rejected, strength, gap in choices:
        assert gap == dense.index(places[rejected]) - dense.index(places[chosen]) >= 0
        assert strength == (gap > 0)
        assert gap or chosen < rejected


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=2, unique=True), st.sampled_from(SEVEN))
def test_the_mirrored_step_on_swapped_sides_says_the_same(ids, verdict):
    mirrored = verdict.translate({}) if verdict == "tie" else SEVEN[6 - SEVEN.index(verdict)]
    assert scale.choices(ids, verdict, {}) == scale.choices(ids[::-1], mirrored, {})
    plain = {"l": "left", "r": "right", "t": "tie"}
    assert pair.choices(ids, plain[verdict[0]], {}) == pair.choices(ids[::-1], plain[mirrored[0]], {})


# --- built from the settings ------------------------------------------------------------------------------------------

CRITERIA = [{"name": "clear"}, {"name": "友善"}, {"name": "c"}]


@pytest.mark.parametrize(
    ("name", "n", "asked"),
    [
        ("pair", 2, pair), ("pair", 1, stars), ("pair", 3, stars), ("scale", 2, scale), ("scale", 4, stars),
        ("rank", 1, stars), ("rank", 6, rank), ("best_worst", 2, pair), ("best_worst", 3, best_worst),
        ("stars", 1, stars), ("stars", 6, stars), ("gone since", 2, pair), ("gone since", 5, stars),
    ],
)  # fmt: skip
def test_a_question_that_does_not_take_so_many_answers_gives_way_to_one_that_does(name, n, asked):
    assert find_question(name, n) is asked
    assert build_spec(Dataset(question=name), n).sides == get_sides(n)


def test_no_question_takes_seven():
    with pytest.raises(ValueError, match="7"):
        find_question("rank", 7)


def pick_values(asked):
    return {group.name: group.field.values[n % len(group.field.values)] for n, group in enumerate(asked.groups)}


@pytest.mark.parametrize(("name", "n"), [("pair", 2), ("scale", 2), ("rank", 4), ("best_worst", 3), ("stars", 2)])
@pytest.mark.parametrize("with_stars", [True, False])
def test_what_is_gathered_is_scattered_to_the_same_fields(name, n, with_stars):
    asked = build_spec(Dataset(question=name, with_stars=with_stars, criteria=CRITERIA), n)
    assert len({group.name for group in asked.groups}) == len(asked.groups)
    values = pick_values(asked)
    assert asked.scatter(asked.gather(values)) == values


@pytest.mark.parametrize("name", ["pair", "rank", "stars"])
def test_criteria_in_another_order_keep_their_fields_and_what_was_said(name):
    one, other = (build_spec(Dataset(question=name, criteria=found), 2) for found in (CRITERIA, CRITERIA[::-1]))
    values = pick_values(one)
    said = one.gather(values)
    assert other.scatter(said) == values
    choices = [sorted(asked.list_choices([5, 2], "left", said), key=str) for asked in (one, other)]
    assert choices[0] == choices[1]


def test_what_was_said_of_other_fields_is_left_out():
    asked = build_spec(Dataset(question="rank", criteria=CRITERIA[:1]), 2)
    assert asked.scatter({"stars": [1, 2], "criteria": {"other": {"rank": [1, 2]}}}) == {}
    assert asked.scatter({"rank": [2]}) == {"rank_1": 2}


def test_marks_differ_and_stand_in_a_name_of_a_form():
    marks = [build_prefix(criterion["name"]) for criterion in CRITERIA]
    assert len(set(marks)) == 3
    assert all(mark.isascii() and mark.isalnum() for mark in marks)
    assert build_prefix("clear") == "ce5b1f106"


def test_stars_are_not_asked_twice_and_stand_beside_others():
    names = [[g.name for g in build_spec(Dataset(question=q, with_stars=True), 2).groups] for q in ("stars", "pair")]
    assert names == [["stars_left", "stars_right"]] * 2


@pytest.mark.parametrize(
    ("verdict", "given_stars", "told"), [("left", [1, 2], True), ("left", [2, 2], False), ("tie", [1, 5], False)]
)
def test_stars_contradict_only_a_choice(verdict, given_stars, told):
    asked = build_spec(Dataset(question="pair", with_stars=True), 2)
    assert asked.is_contradicted([9, 4], verdict, {"stars": given_stars}) == told


def test_ratings_and_choices_of_criteria_carry_their_name():
    asked = build_spec(Dataset(question="stars", criteria=CRITERIA[:1]), 2)
    said = {"stars": [1, 1], "criteria": {"clear": {"stars": [5, 2]}}}
    assert asked.list_choices([9, 4], "rate", said) == [("", 4, 9, 0, None), ("clear", 9, 4, 3, None)]
    assert asked.list_ratings([9, 4], said) == [("", 9, 1), ("", 4, 1), ("clear", 9, 5), ("clear", 4, 2)]


def test_a_question_is_found_by_being_there(monkeypatch, tmp_path):
    (tmp_path / "new_one.py").write_text("FEWEST = MOST = 2\ndef verdicts(settings): return ['yes']\n")
    (tmp_path / "no_question.py").write_text("HELP = 1\n")
    monkeypatch.setattr(questions, "__path__", [*questions.__path__, str(tmp_path)])
    load_questions.cache_clear()
    try:
        assert set(load_questions()) == {"pair", "scale", "rank", "best_worst", "stars", "new_one"}
        assert find_question("new_one", 2).verdicts(ALL) == ["yes"]
    finally:
        load_questions.cache_clear()
        sys.modules.pop("annotate.questions.new_one", None)

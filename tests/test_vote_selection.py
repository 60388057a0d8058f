"""The pairs that the votes on a prompt give, and those that a balance keeps: plain votes in, plain pairs out."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.exports.selection import (
    ADJACENT,
    ALL,
    BEST_REST,
    BEST_WORST,
    EVERY,
    FIRST,
    MAJORITY,
    ONLY,
    SOFT,
    Filters,
    LengthBalance,
    Pair,
    Vote,
    VoteSelector,
    compute_length_signs,
)

A, B, C = 1, 2, 3
THIRD = pytest.approx(1 / 3)
NAMES = ("ann", "bob", "cid", "dan", "eve")


def build_vote(chosen, rejected, strength=1, number=0, **said):
    """A vote by the person with this number."""
    plain = {"verdict": "left" if strength else "tie", "flagged": False, "gap": None}
    at = datetime(2026, 3, 1 + number, tzinfo=UTC)
    known = {"judgment": number, "annotator": NAMES[number % 5], "at": at, "chosen": chosen, "rejected": rejected}
    return Vote(**{**plain, **known, "strength": strength, **said})


def build_votes(*said):
    """Votes by consecutive people, from (chosen, rejected) or (chosen, rejected, strength)."""
    return [
        build_vote(*one, number=number) if len(one) == 3 else build_vote(*one, 1, number)
        for number, one in enumerate(said)
    ]


def choose_pairs(said, tagged=(), **filters):
    """(pairs, left_out) of one prompt with these tags."""
    chooser = VoteSelector(Filters(**filters))
    pairs = chooser.pick_pairs(tagged, said)
    assert sum(pair.times for pair in pairs) + chooser.left_out.total() == len(said)
    return pairs, {reason: n for reason, n in chooser.left_out.items() if n}


TWO_TO_ONE = build_votes((A, B), (B, A), (A, B))
WITH_A_TIE = build_votes((A, B), (A, B), (A, B, 0), (B, A))
DECIDED = [*build_votes((A, B), (A, B)), build_vote(B, A, number=2, decides=True)]
DECIDED_ELSEWHERE = [*build_votes((A, B), (A, B)), build_vote(B, A, number=2, comparison=7, decides=True)]

# (votes, filters, pairs, left_out)
CAME_TO = [
    ([], {}, [], {}),
    (TWO_TO_ONE, {}, [Pair(A, B, 2, THIRD, (2, 3))], {"outvoted": 1}),
    (TWO_TO_ONE, {"mode": SOFT}, [Pair(A, B, 2, THIRD, (2, 3))], {"outvoted": 1}),
    (TWO_TO_ONE, {"mode": EVERY},
     [Pair(A, B, 1, 1.0, (1, 1)), Pair(B, A, 1, 1.0, (1, 1)), Pair(A, B, 1, 1.0, (1, 1))], {}),
    (WITH_A_TIE, {}, [Pair(A, B, 2, 0.25, (2, 4))], {"outvoted": 1, "tie": 1}),
    (WITH_A_TIE, {"min_agreement": 0.5}, [Pair(A, B, 2, 0.25, (2, 4))], {"outvoted": 1, "tie": 1}),
    (WITH_A_TIE, {"min_agreement": 0.51}, [], {"low_agreement": 3, "tie": 1}),
    (WITH_A_TIE, {"min_agreement": 0.51, "mode": SOFT}, [], {"low_agreement": 3, "tie": 1}),
    (WITH_A_TIE, {"min_agreement": 1.0, "mode": EVERY},
     [Pair(A, B, 1, 1.0, (1, 1)), Pair(A, B, 1, 1.0, (1, 1)), Pair(B, A, 1, 1.0, (1, 1))], {"tie": 1}),
    (build_votes((A, B), (B, A)), {}, [], {"split": 2}),
    (DECIDED, {"decisions": FIRST}, [Pair(B, A, 1, 1.0, (1, 1))], {"decided": 2}),
    (DECIDED, {"decisions": FIRST, "min_votes": 2}, [Pair(B, A, 1, 1.0, (1, 1))], {"decided": 2}),
    (DECIDED, {"decisions": FIRST, "mode": EVERY}, [Pair(B, A, 1, 1.0, (1, 1))], {"decided": 2}),
    (DECIDED, {"decisions": FIRST, "annotators": ("ann", "bob")}, [Pair(A, B, 2, 1.0, (2, 2))], {"annotator": 1}),
    (DECIDED[:2], {"decisions": FIRST}, [Pair(A, B, 2, 1.0, (2, 2))], {}),
    (DECIDED[:2], {"decisions": ONLY}, [], {"undecided": 2}),
    (DECIDED, {"decisions": ONLY}, [Pair(B, A, 1, 1.0, (1, 1))], {"decided": 2}),
    (DECIDED_ELSEWHERE, {"decisions": FIRST}, [Pair(B, A, 1, 1.0, (1, 1))], {"decided": 2}),
    (build_votes((A, B, 0), (B, A, 0)), {}, [], {"tie": 2}),
    (build_votes((A, B), (B, C), (C, A)), {},
     [Pair(A, B, 1, 1.0, (1, 1)), Pair(B, C, 1, 1.0, (1, 1)), Pair(C, A, 1, 1.0, (1, 1))], {}),
    (TWO_TO_ONE, {"min_votes": 3}, [Pair(A, B, 2, THIRD, (2, 3))], {"outvoted": 1}),
    (TWO_TO_ONE, {"min_votes": 4}, [], {"few_votes": 3}),
    (WITH_A_TIE, {"min_votes": 4}, [Pair(A, B, 2, 0.25, (2, 4))], {"outvoted": 1, "tie": 1}),
    (build_votes((A, B), (A, B), (A, C)), {"min_votes": 2, "mode": EVERY},
     [Pair(A, B, 1, 1.0, (1, 1)), Pair(A, B, 1, 1.0, (1, 1))], {"few_votes": 1}),
    (TWO_TO_ONE, {"min_votes": 2, "annotators": ("ann",)}, [], {"annotator": 2, "few_votes": 1}),
    (TWO_TO_ONE, {"annotators": ("bob", "eve")}, [Pair(B, A, 1, 1.0, (1, 1))], {"annotator": 2}),
    (TWO_TO_ONE, {"since": datetime(2026, 3, 2, tzinfo=UTC), "until": datetime(2026, 3, 3, tzinfo=UTC)},
     [Pair(B, A, 1, 1.0, (1, 1))], {"date": 2}),
    (build_votes((A, B, 1), (B, A, 2), (A, B, 0)), {"min_strength": 2},
     [Pair(B, A, 1, 1.0, (1, 2))], {"weak": 1, "tie": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("said", "filters", "pairs", "left_out"), CAME_TO)
def test_votes_come_to_pairs_and_what_is_left_out(said, filters, pairs, left_out):
    assert choose_pairs(said, **filters) == (pairs, left_out)


@pytest.mark.parametrize(
    ("said", "strength"),
    [
        ([(A, B, 3)], 3.0),
        ([(A, B, 3), (A, B, 2)], 2.5),
        ([(A, B, 3), (A, B, 0)], 1.5),
        ([(A, B, 3), (A, B, 3), (B, A, 1)], 5 / 3),
        ([(A, B, 1), (A, B, 1), (B, A, 2)], 0.0),
        ([(A, B, 1), (A, B, 1), (B, A, 3)], 0.0),
    ],
)
@pytest.mark.parametrize("mode", [MAJORITY, SOFT])
def test_a_pair_is_as_strong_as_its_votes_in_the_mean_and_never_below_zero(said, strength, mode):
    ((pair,), _) = choose_pairs(build_votes(*said), mode=mode)
    assert (pair.chosen, pair.strength) == (A, pytest.approx(strength))


def test_a_vote_for_itself_is_as_strong_as_it_was_said():
    pairs, _ = choose_pairs(build_votes((A, B, 3), (B, A, 2)), mode=EVERY)
    assert [pair.strength for pair in pairs] == [3.0, 2.0]


@pytest.mark.parametrize(("verdict", "reason"), [("both_bad", "both_bad"), ("rate", "no_choice"), ("", "no_choice")])
def test_a_verdict_without_a_choice_is_left_out_with_its_reason(verdict, reason):
    assert choose_pairs([build_vote(None, None, None, verdict=verdict)]) == ([], {reason: 1})


@pytest.mark.parametrize(
    ("asked", "tagged", "goes_in"),
    [((), [], True), ((), ["x"], True), (("x",), [], False), (("x",), ["y"], False), (("x", "y"), ["z", "y"], True)],
)
def test_a_prompt_with_any_of_the_tags_goes_in(asked, tagged, goes_in):
    pairs, left_out = choose_pairs(TWO_TO_ONE, tagged, tags=asked)
    assert (len(pairs), left_out) == ((1, {"outvoted": 1}) if goes_in else (0, {"tag": 3}))


def test_what_anybody_flagged_goes_in_unless_it_is_asked_not_to():
    said = [build_vote(A, B), build_vote(A, B, number=1, flagged=True)]
    assert choose_pairs(said)[0][0].votes == (2, 2)
    assert choose_pairs(said, flags="without") == ([Pair(A, B, 1, 1.0, (1, 1))], {"flagged": 1})


FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from([MAJORITY, SOFT, EVERY]),
        "min_agreement": st.sampled_from([0.0, 0.5, 1.0]),
        "annotators": st.sampled_from([("ann",), ("bob",)]),
        "since": st.just(datetime(2026, 3, 2, tzinfo=UTC)),
        "until": st.just(datetime(2026, 3, 1, tzinfo=UTC)),
        "min_strength": st.integers(1, 3),
        "ranks": st.sampled_from([ALL, ADJACENT, BEST_REST, BEST_WORST]),
        "min_votes": st.integers(1, 2),
        "tags": st.just(("x",)),
        "flags": st.just("without"),
        "paused": st.just("without"),
        "decisions": st.sampled_from([FIRST, ONLY]),
    },
)


@given(
    st.fixed_dictionaries(
        {
            "strength": st.integers(0, 3),
            "gap": st.none() | st.integers(1, 2),
            "flagged": st.booleans(),
            "paused": st.booleans(),
            "decides": st.booleans(),
            "verdict": st.sampled_from(["left", "tie", "both_bad", "rate"]),
        }
    ),
    st.booleans(),
    FILTERS,
)
def test_a_single_vote_comes_to_what_it_would_come_to_among_others(said, states_a_choice, filters):
    one = build_vote(A, B, **said) if states_a_choice else build_vote(None, None, **{**said, "strength": None})
    quick, whole = VoteSelector(Filters(**filters)), VoteSelector(Filters(**filters))
    assert quick.pick_from_one([], [one]) == whole.pick_from_several([], [one])
    assert +quick.left_out == +whole.left_out


# --- how often votes are wrong ---------------------------------------------------------------------------------------


def compute_flip_rate(*prompts, **filters):
    chooser = VoteSelector(Filters(**filters))
    for said in prompts:
        chooser.pick_pairs([], said)
    return chooser.estimate_flip_rate()


@pytest.mark.parametrize(
    "prompts",
    [
        [],
        [build_votes((A, B))],
        [build_votes((A, B)), build_votes((A, B))],
        [build_votes((A, B), (A, C))],
        [build_votes((A, B), (B, A, 0))],
    ],
)
def test_nothing_is_known_where_no_two_votes_met(prompts):
    assert compute_flip_rate(*prompts) is None


def test_people_who_always_agree_are_never_wrong():
    assert compute_flip_rate(build_votes((A, B), (A, B)), build_votes((B, A), (B, A), (B, A))) == 0


def test_people_who_agree_half_the_time_or_less_are_wrong_half_the_time():
    assert compute_flip_rate(build_votes((A, B), (A, B)), build_votes((A, B), (B, A))) == 0.5
    assert compute_flip_rate(build_votes((A, B), (B, A))) == 0.5


@pytest.mark.parametrize("e", [0.1, 0.2, 0.4])
def test_a_flip_rate_comes_back_from_what_it_makes_of_two_votes(e):
    """If each of two votes is flipped with probability e, they differ with probability 2e(1-e)."""
    of_a_hundred = round(100 * 2 * e * (1 - e))
    agree, differ = build_votes((A, B), (A, B)), build_votes((A, B), (B, A))
    assert compute_flip_rate(*[agree] * (100 - of_a_hundred), *[differ] * of_a_hundred) == pytest.approx(e)


def test_each_two_votes_on_a_pair_are_compared_once_and_ties_not_at_all():
    chooser = VoteSelector(Filters(mode=EVERY))
    chooser.pick_pairs([], build_votes((A, B), (A, B), (B, A), (A, B, 0), (A, C)))
    assert (chooser.alike, chooser.unlike) == (1, 2)


# --- balanced length -------------------------------------------------------------------------------------------------


def test_a_mark_tells_which_answer_is_longer():
    assert [sign for sign, _ in compute_length_signs("f", [("longer", "a"), ("a", "b"), ("a", "longer")])] == [1, 0, -1]


def test_equal_pairs_have_numbers_of_their_own_and_the_same_each_time():
    marks = compute_length_signs("f", [("aa", "b")] * 3 + [("aa", "c")])
    assert len(set(marks)) == 4
    assert marks == compute_length_signs("f", [("aa", "b")] * 3 + [("aa", "c")])
    assert compute_length_signs("f", [("aa", "b")]) == marks[:1]
    assert not set(marks) & set(compute_length_signs("g", [("aa", "b")] * 3))


def keep_balanced(marks):
    """The entries of [(part, sign, number)] that balancing keeps."""
    balance = LengthBalance(marks)
    return [mark for mark in marks if balance.is_kept(*mark)]


MARKS = st.lists(
    st.tuples(st.sampled_from(["train", "test"]), st.sampled_from([-1, 0, 1]), st.integers(0, 2**64 - 1)),
    max_size=30,
    unique_by=lambda mark: mark[2],
)


@given(marks=MARKS)
def test_as_many_shorter_as_longer_are_kept_in_each_part_and_all_that_are_equal(marks):
    there, stay = (Counter((part, sign) for part, sign, _ in some) for some in (marks, keep_balanced(marks)))
    for part in ("train", "test"):
        fewer = min(there[part, -1], there[part, 1])
        assert [stay[part, sign] for sign in (-1, 0, 1)] == [fewer, there[part, 0], fewer]


@given(marks=MARKS, random=st.randoms())
def test_the_same_pairs_are_kept_in_whatever_order_they_come(marks, random):
    assert set(keep_balanced(random.sample(marks, len(marks)))) == set(keep_balanced(marks))


@given(marks=MARKS, number=st.integers(0, 2**64 - 1))
def test_a_further_pair_of_the_rarer_kind_drives_none_out(marks, number):
    there = Counter(sign for part, sign, _ in marks if part == "train" and sign)
    rarer = -1 if there[-1] < there[1] else 1
    assert there[-1] == there[1] or set(keep_balanced(marks)) <= set(keep_balanced([*marks, ("train", rarer, number)]))


def test_what_there_is_only_one_kind_of_is_not_kept():
    balance = LengthBalance([("", 1, 0), ("", 1, 7)])
    assert [balance.is_kept("", sign, 0) for sign in (1, 0, -1)] == [False, True, False]

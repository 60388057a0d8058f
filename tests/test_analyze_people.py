"""People: rates computed by hand, and simulated people with known habits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyze.maths import reliability
from analyze.maths.people import assess_people
from analyze.maths.reliability import MINIMUM, fit_reliability
from analyze.maths.votes import Votes
from bench.simulate import CARELESS, DRIFTS, HONEST, LEFT, LONGER, draw_crowd

PLANTED = (CARELESS, LEFT, LONGER, DRIFTS)


def test_rates_by_hand():
    votes = Votes(
        annotator=["a", "a", "a", "a", "b", "b", "c"],
        pair=[1, 2, 3, 1, 1, 2, 1],
        vote=[1, -1, 0, -1, 1, 1, -1],
        left=[1, 1, -1, -1, -1, -1, 0],
        longer=[1, 1, 1, 1, 1, 1, 1],
        known=[np.nan, np.nan, 1, np.nan, np.nan, np.nan, np.nan],
        again=[False, False, False, True, False, False, False],
        when=[1, 2, 3, 4, 1, 2, 1],
        seconds=[10, 20, 60, 20, 30, np.nan, 5],
        words=[100, 100, 200, 100, 100, 100, 50],
    )
    found = assess_people(votes)
    assert list(found.annotator) == ["a", "b", "c"]
    assert found.judgments.tolist() == [4, 2, 1]
    lines = {
        "gold": ([0, np.nan, np.nan], [1, 0, 0]),
        "self_consistency": ([0, np.nan, np.nan], [1, 0, 0]),
        "agreement": ([0.25, 0.25, 0], [2, 2, 1]),
        "left_share": ([0.5, 0, np.nan], [2, 2, 0]),
        "longer_share": ([0.5, 1, 0], [2, 2, 1]),
        "tie_share": ([1 / 3, 0, 0], [3, 2, 1]),
        "seconds_per_100_words": ([20, 30, 10], [4, 1, 1]),
    }
    for name, (value, n) in lines.items():
        assert getattr(found, name).value == pytest.approx(value, nan_ok=True), name
        assert getattr(found, name).n.tolist() == n, name
    assert found.drift.value[0] == pytest.approx((0 + 0) / 2 - 0.5)
    assert not found.is_marked.any()


def test_nobody_is_marked_on_a_few_judgments():
    made = draw_crowd(1, [HONEST] * 20 + [LEFT] * 10, judgments=MINIMUM - 1)
    found = assess_people(made.votes)
    assert not found.is_marked.any()
    assert found.reasons == ((),) * 30
    assert assess_people(draw_crowd(1, [HONEST] * 20 + [LEFT] * 10, judgments=50).votes).is_marked[20:].mean() > 0.8


def test_planted_people_come_first_and_honest_ones_are_not_marked():
    marked, top, seeds = 0, 0, 12
    for seed in range(seeds):
        made = draw_crowd(seed, [HONEST] * 40 + list(PLANTED), spread=3.0, gold=0.2)
        found = assess_people(made.votes, made.compute_chance())
        assert found.is_marked[:40].sum() <= 2
        marked += found.is_marked[:40].sum()
        top += len(set(found.order[:4]) & {40, 41, 42, 43})
        for place, habit in ((41, LEFT), (42, LONGER)):
            assert found.is_marked[place]
            assert found.reasons[place][0] == habit
            assert f"{habit}_share" in found.reasons[place]
    assert marked <= 2
    assert top >= 0.9 * 4 * seeds


def test_careless_people_are_found():
    found_right = found_all = 0
    seeds = 12
    for seed in range(seeds):
        made = draw_crowd(100 + seed, [HONEST] * 40 + [CARELESS] * 10)
        found = fit_reliability(made.votes, made.compute_chance()).careless_probability > 0.5
        found_right += found[40:].sum()
        found_all += found.sum()
    assert found_right / (10 * seeds) >= 0.9
    assert found_right / found_all >= 0.9


def test_evidence_against_honest_people_is_rare():
    """An e-value: at most one honest person in x reaches x."""
    evidence = np.concatenate([fit_reliability(draw_crowd(seed, [HONEST] * 60).votes).evidence for seed in range(8)])
    assert np.mean(evidence >= 20) <= 1 / 20
    assert np.mean(evidence >= 2) <= 1 / 2
    assert evidence.mean() < 1.5


def test_reliability_is_how_often_somebody_is_right():
    made = draw_crowd(7, [HONEST] * 30, judgments=200, repeats=0, gold=0, skill=0.4)
    found = fit_reliability(made.votes)
    votes = made.votes
    right = (votes.vote == np.sign(made.lead[votes.pair]))[votes.vote != 0]
    truth = np.bincount(votes.annotator[votes.vote != 0], right) / np.bincount(votes.annotator[votes.vote != 0])
    assert np.corrcoef(found.reliability, truth)[0, 1] > 0.6
    assert np.abs(found.reliability - truth).mean() < 0.06


def test_votes_of_the_careless_weigh_little():
    made = draw_crowd(9, [HONEST] * 20 + [CARELESS] * 3, judgments=120)
    weights = fit_reliability(made.votes).compute_weights([0, 1, 20, 21, 22, 99])
    assert weights[:2].min() > 0.3
    assert weights[2:5].max() < 0.1
    assert weights[5] == 0.5


def test_of_many_votes_a_sample_finds_the_same_people(monkeypatch):
    made = draw_crowd(5, [HONEST] * 40 + [CARELESS] * 3 + [LEFT] * 2, judgments=400)
    whole = fit_reliability(made.votes)
    monkeypatch.setattr(reliability, "MOST_FITTED", len(made.votes) // 3)
    assert reliability._sample_rows(made.votes).mean() < 0.5
    sample = fit_reliability(made.votes)
    assert sample.annotator.tolist() == whole.annotator.tolist()
    assert sample.decided.tolist() == whole.decided.tolist()
    assert sample.is_marked.tolist() == whole.is_marked.tolist()
    assert np.abs(sample.reliability - whole.reliability).max() < 0.12


def test_a_name_is_only_a_name():
    made = draw_crowd(3, [HONEST] * 12 + [LEFT])
    swapped = made.votes.select_rows(np.random.default_rng(1).permutation(len(made.votes)))
    one, other = fit_reliability(made.votes), fit_reliability(swapped)
    assert other.careless_probability == pytest.approx(one.careless_probability, abs=1e-6)


ANY = st.tuples(
    st.integers(0, 3),
    st.integers(0, 4),
    st.integers(-1, 1),
    st.integers(-1, 1),
    st.integers(-1, 1),
    st.sampled_from([np.nan, -1, 0, 1]),
    st.booleans(),
    st.floats(0, 1e6) | st.just(np.nan),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(ANY, max_size=40))
def test_whatever_people_say_chances_are_chances(rows):
    columns = zip(*rows, strict=True) if rows else [[]] * 8
    annotator, pair, vote, left, longer, known, again, when = (np.array(column) for column in columns)
    found = assess_people(Votes(annotator, pair, vote, left, longer, known, again.astype(bool), when))
    for column in (found.model.reliability, found.model.careless_probability):
        assert ((column >= 0) & (column <= 1)).all()
    assert sorted(found.order) == list(range(len(found.annotator)))
    assert (found.model.evidence >= 0).all()
    for rates in (found.gold, found.agreement, found.left_share, found.tie_share):
        known_rates = rates.n > 0
        assert (rates.low[known_rates] <= rates.value[known_rates]).all()
        assert (rates.value[known_rates] <= rates.high[known_rates]).all()


def test_without_votes_there_is_nobody():
    found = assess_people(Votes([], [], np.zeros(0)))
    assert len(found.annotator) == len(found.model.evidence) == 0

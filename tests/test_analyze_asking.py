"""Active selection: what to ask next, when to stop, how much is left."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta

from analyze.maths.active_selection import (
    compute_information_gain,
    compute_sureness,
    compute_uncertainty,
    forecast_judgments,
    is_worth_asking,
)
from analyze.maths.strengths import fit_strengths
from bench.simulate import choose_pairs, draw_choices, estimate_judgments_needed, simulate_asking

PAIRS = np.array([(a, b) for a in range(4) for b in range(a + 1, 4)])


def fit_votes(**votes):
    rows = [(pair[0], pair[1]) for pair, n in votes.items() for _ in range(n)]
    return fit_strengths([a for a, _ in rows], [b for _, b in rows])


def test_what_is_known_tells_nothing_new():
    """a is far ahead, d far behind; b and c are close: that pair has the largest gain."""
    found = fit_votes(ab=40, ba=2, bc=20, cb=20, cd=40, dc=2)
    gain = dict(zip(map(tuple, PAIRS), compute_information_gain(*PAIRS.T, found), strict=True))
    assert [str(name) for name in found.source] in (["a", "b", "c", "d"], ["a", "c", "b", "d"])
    assert max(gain, key=gain.get) == (1, 2)
    assert gain.pop((1, 2)) > 4 * max(gain.values())


def test_of_two_sources_the_gain_is_what_a_second_way_says():
    """The mutual information of the outcome and the leader, by integration."""
    found = fit_votes(ab=30, ba=22)
    lead, error = found.strength[0] * 2, np.sqrt(4 * found.covariance[0, 0])

    def compute_entropy(chance):
        return -(chance * np.log2(chance) + (1 - chance) * np.log2(1 - chance))

    def compute_density(x):
        return np.exp(-(((x - lead) / error) ** 2) / 2) / (error * np.sqrt(2 * np.pi))

    ahead = quad(compute_density, 0, 9)[0]
    won_ahead = quad(lambda x: compute_density(x) / (1 + np.exp(-x)), 0, 9)[0]
    won_behind = quad(lambda x: compute_density(x) / (1 + np.exp(-x)), -9, 0)[0]
    known = ahead * compute_entropy(won_ahead / ahead) + (1 - ahead) * compute_entropy(won_behind / (1 - ahead))
    exact = compute_entropy(won_ahead + won_behind) - known
    assert compute_information_gain(np.array([0]), np.array([1]), found)[0] == pytest.approx(exact, rel=0.2)


def test_sure_pairs_are_not_asked_again():
    found = fit_votes(ab=60, ba=5, bc=7, cb=6)
    first, second = np.array([0, 0, 1]), np.array([1, 2, 2])
    assert is_worth_asking(first, second, found).tolist() == [False, False, True]
    assert choose_pairs(first, second, found, 3).tolist() == [2, 2, 2]
    assert len(choose_pairs(first[:2], second[:2], found, 3)) == 0


def test_two_that_are_as_good_as_equal_are_left_alone():
    few, many = fit_votes(ab=20, ba=20), fit_votes(ab=4000, ba=4000)
    assert is_worth_asking([0], [1], few)[0]
    assert not is_worth_asking([0], [1], many)[0]


def test_what_cannot_be_compared_is_asked_first():
    found = fit_votes(ab=5, ba=4, cd=6, dc=5)
    picked = choose_pairs(PAIRS[:, 0], PAIRS[:, 1], found, 2)
    assert all(found.component[a] != found.component[b] for a, b in PAIRS[picked])
    assert np.isfinite(compute_information_gain(*PAIRS.T, found)).all()


def test_chosen_pairs_need_fewer_judgments_than_random_ones():
    random, chosen = estimate_judgments_needed(choose_pairs, sources=12, spread=3.0, judgments=400, seeds=4)
    assert chosen <= 0.75 * random


def test_asking_ends_when_all_is_sure():
    truth = np.array([4.0, 2.0, 0.0, -2.0])
    correlations, counts = simulate_asking(truth, 2000, seed=1, at_once=10, choose=choose_pairs)
    assert counts[-1] < 500
    assert correlations[-1] == pytest.approx(1)


def test_a_comparison_is_sure_by_its_votes():
    found = compute_sureness([0, 3, 5, 1], [0, 0, 0, 1])
    assert found.chance == pytest.approx([0.5, 1 - beta.cdf(0.5, 4, 1), 1 - beta.cdf(0.5, 6, 1), 0.5])
    assert found.is_sure.tolist() == [False, False, True, False]
    assert compute_sureness([3], [0], [0.9]).is_sure[0], "three votes as expected are enough"
    assert not compute_sureness([5], [0], [0.0], weight=8).is_sure[0]


def test_the_most_informative_comparison_is_the_least_certain():
    assert compute_uncertainty([0.5, 0.9, 0.1]) == pytest.approx([1, 0.469, 0.469], abs=1e-3)


def test_a_forecast_is_about_as_many_as_it_takes():
    """Two sources, truly 0.5 apart: many simulations from 60 judgments until certainty."""
    rng = np.random.default_rng(5)
    foretold, taken = [], []
    for _ in range(30):
        chosen, rejected, _ = draw_choices(rng, np.array([0.4, -0.4]), 1500)
        found = fit_strengths(chosen[:40], rejected[:40])
        if not forecast_judgments(found).open_pairs:
            continue
        foretold.append(forecast_judgments(found).judgments)
        more = range(50, 1500, 10)
        ends = (n for n in more if not forecast_judgments(fit_strengths(chosen[:n], rejected[:n])).open_pairs)
        taken.append(next(ends, 1500) - 40)
    assert len(taken) > 5
    assert np.median(taken) / 3 < np.median(foretold) < np.median(taken) * 3


def test_nothing_is_left_where_the_order_is_certain():
    found = forecast_judgments(fit_votes(ab=90, ba=10, bc=90, cb=10))
    assert (found.judgments, found.low, found.high, found.open_pairs) == (0, 0, 0, ())
    still = forecast_judgments(fit_votes(ab=90, ba=10, bc=12, cb=10))
    assert still.open_pairs == ((1, 2),)
    assert still.low <= still.judgments <= still.high

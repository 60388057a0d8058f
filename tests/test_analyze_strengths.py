"""Strengths of sources: closed forms, reference implementations, simulated sources of known strength."""

import choix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from analyze.maths.strengths import compute_length_control, compute_win_matrix, fit_strengths, fit_strengths_by_part
from bench.simulate import draw_choices

CHOICES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.integers(0, 1)), min_size=1, max_size=25
)


def build_choices(**votes):
    """Columns of choices: ab=30 is thirty of a over b, ab_tied=4 four ties of the two."""
    chosen, rejected, strength = [], [], []
    for pair, n in votes.items():
        chosen += [pair[0]] * n
        rejected += [pair[1]] * n
        strength += [0 if pair.endswith("_tied") else 1] * n
    return chosen, rejected, strength


def sort_truth(found, truth):
    """The true strengths in the order of the result, with mean 0."""
    sorted_truth = truth[found.source.astype(int)]
    return sorted_truth - sorted_truth.mean()


def test_two_sources_have_a_closed_form():
    found = fit_strengths(*build_choices(ab=30, ba=10))
    lead = np.log(30.5 / 10.5)
    share = 30.5 / 41
    assert found.strength == pytest.approx([lead / 2, -lead / 2])
    half = 1.959964 / np.sqrt(40 * share * (1 - share)) / 2
    assert (found.low[0], found.high[0]) == pytest.approx((lead / 2 - half, lead / 2 + half), rel=1e-5)
    assert (list(found.source), list(found.group), list(found.judgments)) == (["a", "b"], [1, 2], [40, 40])


def test_it_is_the_maximum_that_firth_defines():
    """Without ties: another optimiser maximises log-likelihood plus half the log determinant of the information."""
    wins = np.array([[0, 7, 3, 5], [2, 0, 4, 1], [1, 6, 0, 2], [0, 3, 3, 0]])

    def compute_loss(free):
        values = np.append(free, -free.sum())
        chance = 1 / (1 + np.exp(values[None, :] - values[:, None]))
        weight = (wins + wins.T) * chance * chance.T
        information = np.diag(weight.sum(1)) - weight + np.ones((4, 4))
        return -(wins * np.log(chance)).sum() - np.linalg.slogdet(information)[1] / 2

    best = minimize(compute_loss, np.zeros(3), tol=1e-12).x
    votes = {f"{'abcd'[i]}{'abcd'[j]}": int(wins[i, j]) for i in range(4) for j in range(4) if i != j}
    found = fit_strengths(*build_choices(**votes))
    by_name = dict(zip(found.source, found.strength, strict=True))
    assert [by_name[name] for name in "abc"] == pytest.approx(list(best), abs=1e-5)


def test_many_choices_give_what_choix_gives():
    truth = np.array([0.9, 0.3, 0.0, -0.4, -0.8])
    chosen, rejected, _ = draw_choices(np.random.default_rng(2), truth, 40_000)
    found = fit_strengths(chosen, rejected)
    wins = np.zeros((5, 5))
    np.add.at(wins, (chosen, rejected), 1)
    theirs = choix.ilsr_pairwise_dense(wins)
    assert found.strength == pytest.approx((theirs - theirs.mean())[found.source], abs=2e-3)


def test_many_ties_give_the_maximum_of_davidsons_likelihood():
    truth = np.array([0.7, 0.1, -0.8])
    chosen, rejected, strength = draw_choices(np.random.default_rng(3), truth, 30_000, tie=-0.3)

    def compute_loss(values):
        lead = values[chosen] - values[rejected]
        total = np.exp(lead / 2) + np.exp(-lead / 2) + np.exp(values[3])
        return -np.where(strength > 0, lead / 2, values[3]).sum() + np.log(total).sum() + values[:3].sum() ** 2

    best = minimize(compute_loss, np.zeros(4), tol=1e-10).x
    found = fit_strengths(chosen, rejected, strength)
    assert found.strength == pytest.approx((best[:3] - best[:3].mean())[found.source], abs=2e-3)
    assert found.tie == pytest.approx(best[3], abs=2e-3)


@pytest.mark.parametrize(("sources", "n", "tie"), [(5, 200, None), (10, 300, -0.7), (14, 2000, -1.2)])
def test_intervals_hold_the_truth_as_often_as_they_say(sources, n, tie):
    rng = np.random.default_rng(sources)
    held, ranks = [], []
    for _ in range(80):
        truth = rng.normal(0, 1, sources)
        found = fit_strengths(*draw_choices(rng, truth, n, tie))
        true = sort_truth(found, truth)
        held.append((found.low <= true) & (true <= found.high))
        rank = 1 + (true[:, None] < true[None, :]).sum(1)
        ranks.append((found.rank_low <= rank) & (rank <= found.rank_high))
    assert 0.93 <= np.mean(held) <= 0.97
    assert np.mean(ranks) >= 0.95


def test_choices_of_one_prompt_that_go_together_widen_the_intervals():
    rng = np.random.default_rng(4)
    held, narrow = [], []
    for _ in range(60):
        taste = rng.normal(0, 1.5, (100, 4))
        prompt = np.repeat(np.arange(100), 8)
        first = rng.integers(0, 4, 800)
        second = (first + rng.integers(1, 4, 800)) % 4
        won = rng.random(800) < 1 / (1 + np.exp(taste[prompt, second] - taste[prompt, first]))
        columns = np.where(won, first, second), np.where(won, second, first)
        for options, into in (({"clusters": prompt}, held), ({}, narrow)):
            found = fit_strengths(*columns, **options)
            into.append((found.low <= 0) & (found.high >= 0))
        assert fit_strengths(*columns, clusters=prompt).intervals == "sandwich"
    assert np.mean(held) >= 0.9
    assert np.mean(narrow) < 0.85


def test_a_source_that_never_lost_is_said_and_stays_finite():
    found = fit_strengths(*build_choices(ab=5, bc=4, cb=3))
    assert found.source[0] == "a"
    assert found.strength[0] < 6
    assert found.connectivity.leads == (((0,), (1, 2)),)
    assert found.connectivity.is_whole
    assert not found.connectivity.is_settled


def test_what_no_choice_joins_is_not_compared():
    found = fit_strengths(*build_choices(ab=9, ba=3, bc=5, cb=5, xy=4, yx=2))
    assert list(found.source) == ["a", "c", "b", "x", "y"] or list(found.source) == ["a", "b", "c", "x", "y"]
    assert list(found.component) == [0, 0, 0, 1, 1]
    assert found.strength[:3].sum() == pytest.approx(0)
    assert found.strength[3:].sum() == pytest.approx(0)
    assert found.rank_high.max() == 3
    assert list(found.compute_chance(["a", "a", "x"], ["x", "nobody", "y"])[:2]) == [0.5, 0.5]
    assert found.compute_chance(["x"], ["y"])[0] == pytest.approx(4.5 / 7)


@settings(deadline=None)
@given(CHOICES)
def test_turning_every_choice_turns_the_strengths(made):
    chosen, rejected, strength = (np.array(column) for column in zip(*made, strict=True))
    one, other = fit_strengths(chosen, rejected, strength), fit_strengths(rejected, chosen, strength)
    back = dict(zip(other.source, other.strength, strict=True))
    assert one.has_converged
    assert np.isfinite(one.strength).all()
    assert (one.rank_low <= one.rank_high).all()
    for name, value in zip(one.source, one.strength, strict=True):
        assert value == pytest.approx(-back[name], abs=1e-5)


def test_a_lead_that_is_length_goes_when_length_is_held():
    """Source 0 writes long answers, and people prefer those: no source is better. The first side has a slight edge."""
    rng = np.random.default_rng(5)
    first = rng.integers(0, 3, 6000)
    second = (first + rng.integers(1, 3, 6000)) % 3
    length = np.where(np.stack([first, second]) == 0, 300, 150) * rng.lognormal(0, 0.3, (2, 6000))
    left = rng.choice([-1, 1], 6000)
    taste = 2 * (length[0] - length[1]) / length.sum(0) + 0.2 * left
    won = rng.random(6000) < 1 / (1 + np.exp(-taste))
    chosen, rejected = np.where(won, first, second), np.where(won, second, first)
    turned = np.where(won, 1, -1)
    controls = {
        "length": compute_length_control(*np.where(won, length, length[::-1])),
        "left": turned * left,
    }
    plain, held = fit_strengths(chosen, rejected), fit_strengths(chosen, rejected, controls=controls)
    assert plain.source[0] == 0
    assert plain.low[0] > 0.2
    assert np.abs(held.strength).max() < 0.15
    assert [effect.name for effect in held.effects] == ["length", "left"]
    assert held.effects[0].low > 0.3
    assert held.effects[1].low < 0.2 < held.effects[1].high


def test_weights_take_what_unreliable_people_said_out_of_it():
    careful, careless = build_choices(ab=40, ba=10), build_choices(ab=50, ba=50)
    columns = [one + other for one, other in zip(careful, careless, strict=True)]
    weights = [1.0] * 50 + [0.0] * 100
    found, alone = fit_strengths(*columns, weights=weights), fit_strengths(*careful)
    assert found.strength == pytest.approx(alone.strength, abs=0.01)
    assert found.low == pytest.approx(alone.low, abs=0.02)
    assert (found.is_weighted, found.intervals) == (True, "sandwich")


def test_parts_are_the_choices_of_their_rows():
    columns = build_choices(ab=9, ba=3, bc=5, cb=5)
    parts = fit_strengths_by_part({"first": [True] * 12 + [False] * 10, "none": [False] * 22}, *columns)
    assert parts["first"].strength == pytest.approx(fit_strengths(*build_choices(ab=9, ba=3)).strength)
    assert len(parts["none"].source) == 0


def test_the_matrix_says_who_won_against_whom():
    found = compute_win_matrix(*build_choices(ab=3, ba=1, ab_tied=2))
    assert found.wins.tolist() == [[0, 3], [1, 0]]
    assert found.ties.tolist() == [[0, 2], [2, 0]]
    assert found.share[0, 1] == pytest.approx(4 / 6)
    assert np.isnan(found.share[0, 0])

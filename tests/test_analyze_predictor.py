"""The text model: what it learns, how it handles the unknown, which judgments it suspects."""

import numpy as np
import pytest

from analyze.maths.predictor import (
    TooFewChoices,
    compute_calibration,
    find_suspicious,
    fit_predictor,
    predict_held_out,
    rank_texts,
)
from analyze.maths.texts import split_tokens
from bench.simulate import draw_essays

ONE = draw_essays(1, 1500, flipped=0.05, vocabulary=120)


@pytest.fixture(scope="module")
def predicted():
    return predict_held_out(ONE.chosen, ONE.rejected, ONE.prompt)


def test_words_of_both_languages():
    assert split_tokens("It's Élan, 2 times!") == ["", "it", "s", "élan", "2", "times"]
    assert split_tokens("我爱 AI模型") == ["", "ai", "我", "爱", "我爱", "模", "型", "模型"]
    assert split_tokens("？！") == [""]


def test_it_learns_what_the_texts_tell(predicted):
    assert predicted.accuracy.value > 0.74
    assert predicted.accuracy.low > predicted.baseline_longer.high
    assert predicted.curve.accuracy.value[-1] > predicted.curve.accuracy.value[0] + 0.05
    assert predicted.calibration.error < 0.06
    assert (predicted.held_out_choices, predicted.prompts, predicted.folds) == (1500, 750, 5)


def test_the_first_of_those_suspected_are_mostly_flipped(predicted):
    first = find_suspicious(predicted.probability)[: int(0.05 * 1500)]
    assert ONE.is_flipped[first].mean() >= 0.5
    assert (np.diff(predicted.probability[first]) >= 0).all()


def test_where_nothing_can_be_learnt_it_is_right_half_the_time():
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice(list("abcdefghij"), 12)) for _ in range(800)]
    found = predict_held_out(texts[:400], texts[400:], np.arange(400) // 2)
    assert found.accuracy.low < 0.5 < found.accuracy.high
    assert found.calibration.error < 0.12


def test_a_text_met_in_training_is_not_held_against_its_own_prompt():
    """The same two answers judged many times: unless the whole prompt is held out, all are predicted."""
    rng = np.random.default_rng(4)
    texts = [" ".join(f"x{word}" for word in rng.choice(400, 10, replace=False)) for _ in range(120)]
    prompt = np.repeat(np.arange(60), 6)
    found = predict_held_out([texts[2 * n] for n in prompt], [texts[2 * n + 1] for n in prompt], prompt)
    assert found.accuracy.low < 0.6


def test_baselines_know_length_and_source():
    rng = np.random.default_rng(5)
    won = rng.random(300) < 0.8
    texts = [("good words here " * 3, "bad") if first else ("bad", "good words here " * 3) for first in won]
    source = [("atlas", "birch") if first else ("birch", "atlas") for first in won]
    found = predict_held_out(
        [pair[0] for pair in texts],
        [pair[1] for pair in texts],
        np.arange(300),
        chosen_source=[pair[0] for pair in source],
        rejected_source=[pair[1] for pair in source],
    )
    assert found.baseline_longer.value == pytest.approx(won.mean())
    assert found.baseline_source.value == pytest.approx(won.mean())
    assert found.accuracy.value == pytest.approx(won.mean())


def test_ties_are_not_learnt_from_and_keep_their_place():
    strength = np.ones(200, int)
    strength[7] = 0
    found = predict_held_out(ONE.chosen[:200], ONE.rejected[:200], ONE.prompt[:200], strength=strength)
    assert np.isnan(found.probability[7])
    assert found.held_out_choices == 199
    assert 7 not in find_suspicious(found.probability)


def test_the_best_of_some_is_worth_the_most():
    model = fit_predictor(ONE.chosen, ONE.rejected, ONE.prompt)
    assert model.compute_chance(ONE.chosen[:300], ONE.rejected[:300]).mean() > 0.7
    both = [ONE.chosen[0], ONE.rejected[0], ONE.chosen[1]]
    order, scores, chance = rank_texts(model, both)
    assert list(scores) == sorted(model.score(both), reverse=True)
    assert chance == pytest.approx(model.compute_chance([both[order[0]]], [both[order[1]]])[0])
    assert rank_texts(model, ["alone"])[2] == 1
    assert model.score([]).shape == (0,)


def test_too_little_is_refused():
    with pytest.raises(TooFewChoices):
        predict_held_out(["a"] * 30, ["b"] * 30, [1] * 30)
    with pytest.raises(TooFewChoices):
        fit_predictor([], [], [])


def test_calibration_by_hand():
    found = compute_calibration(np.array([0.95, 0.95, 0.05, 0.55]))
    assert found.predicted[-1] == pytest.approx(0.95)
    assert found.observed.value[-1] == pytest.approx(2 / 3)
    assert found.observed.n.tolist() == [1, 0, 0, 0, 3]
    assert found.error == pytest.approx((0.45 + 3 * (0.95 - 2 / 3)) / 4)

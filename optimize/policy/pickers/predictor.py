"""The model of analyze/maths/predictor.py: it predicts from words and form which of two answers people choose."""

from analyze.maths.predictor import Predictor, fit_predictor
from analyze.maths.predictor import score_held_out as score_texts_held_out
from optimize.policy.choices import JudgedChoices

RANK = 2
HAS_CHANCES = True


def fit(choices: JudgedChoices) -> Predictor:
    return fit_predictor(*choices.get_texts(), group=choices.prompt, strength=choices.strength)


def score_held_out(choices: JudgedChoices) -> dict[int, float]:
    chosen, rejected = score_texts_held_out(*choices.get_texts(), group=choices.prompt, strength=choices.strength)
    scores = dict(zip(choices.chosen.tolist(), chosen.tolist(), strict=True))
    return scores | dict(zip(choices.rejected.tolist(), rejected.tolist(), strict=True))

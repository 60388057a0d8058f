"""The part on prediction: how well a model predicts from the texts which answer annotators choose."""

from django.utils.translation import gettext_lazy as _

from analyze.columns import DatasetColumns
from analyze.maths.predictor import Calibration, LearningCurve, Prediction, TooFewChoices, predict_held_out
from analyze.reports import build_rate
from analyze.shapes import Line, Numbers

LABEL = _("Predictability")
PLACE = 6
RATES = ("accuracy", "baseline_longer", "baseline_source")
NOTHING: Numbers = dict.fromkeys((*RATES, *(f"{name}_interval" for name in RATES), "held_out_choices"))
TOO_FEW = _("Too few preferences, or preferences on too few prompts, to hold any out for testing.")


def numbers(data: DatasetColumns) -> Numbers:
    prediction = get_prediction(data)
    if prediction is None:
        return {"predictor": NOTHING | {"accuracy_reason": str(TOO_FEW)}}
    rates = {name: build_rate(getattr(prediction, name)) for name in RATES}
    return {
        "predictor": {
            **{name: rate["value"] for name, rate in rates.items()},
            **{f"{name}_interval": rate["interval"] for name, rate in rates.items()},
            "held_out_choices": prediction.held_out_choices,
            "n": prediction.held_out_choices,
            "prompts": prediction.prompts,
            "log_loss": prediction.log_loss,
            "calibration": build_calibration(prediction.calibration),
            "calibration_error": prediction.calibration.error,
            "curve": build_curve(prediction.curve),
        },
    }


def get_prediction(data: DatasetColumns) -> Prediction | None:
    """The Prediction of the choices in data.sample; None with too few. Cached, as two parts use it."""
    if "prediction" not in data.cache:
        data.cache["prediction"] = compute_prediction(data)
    prediction: Prediction | None = data.cache["prediction"]
    return prediction


def compute_prediction(data: DatasetColumns) -> Prediction | None:
    rows, choices = data.sample, data.choices
    texts = get_texts(data)
    try:
        return predict_held_out(
            *texts,
            choices.prompt[rows],
            strength=choices.strength[rows],
            chosen_source=data.get_sources(choices.chosen[rows]),
            rejected_source=data.get_sources(choices.rejected[rows]),
        )
    except TooFewChoices:
        return None


def get_texts(data: DatasetColumns) -> tuple[list[str], list[str]]:
    """(chosen, rejected): the texts of the choices in data.sample."""
    texts, rows, choices = data.sampled_texts, data.sample, data.choices
    chosen, rejected = ([texts[pk] for pk in column[rows].tolist()] for column in (choices.chosen, choices.rejected))
    return chosen, rejected


def build_calibration(calibration: Calibration) -> list[Line]:
    return [
        {
            "low": calibration.low[n],
            "high": calibration.high[n],
            "said": calibration.predicted[n],
            **build_rate(calibration.observed, n),
        }
        for n in range(len(calibration.low))
    ]


def build_curve(curve: LearningCurve) -> list[Line]:
    return [{"choices": n, **build_rate(curve.accuracy, place)} for place, n in enumerate(curve.choices.tolist())]

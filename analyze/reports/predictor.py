"""How well a model predicts from the texts which answer people choose."""

from django.utils.translation import gettext_lazy as _

from analyze.maths.predictor import TooFewChoices, predict_held_out
from analyze.reports import build_rate

LABEL = _("Prediction")
PLACE = 6
RATES = ("accuracy", "baseline_longer", "baseline_source")
NOTHING = dict.fromkeys((*RATES, *(f"{name}_interval" for name in RATES), "held_out_choices"))
TOO_FEW = _("There are too few choices, or choices about too few prompts, to hold any out.")


def numbers(data):
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


def get_prediction(data):
    """The Prediction of the choices in data.sample, None where they are too few. It is made once: two parts need it."""
    if "prediction" not in data.cache:
        data.cache["prediction"] = compute_prediction(data)
    return data.cache["prediction"]


def compute_prediction(data):
    rows, choices = data.sample, data.choices
    texts, sources = get_texts(data), [data.get_sources(column[rows]) for column in (choices.chosen, choices.rejected)]
    options = {"strength": choices.strength[rows], "chosen_source": sources[0], "rejected_source": sources[1]}
    try:
        return predict_held_out(*texts, choices.prompt[rows], **options)
    except TooFewChoices:
        return None


def get_texts(data):
    """(texts of the chosen answers, of the rejected ones) of the choices in data.sample."""
    texts, rows = data.sampled_texts, data.sample
    return tuple([texts[pk] for pk in column[rows].tolist()] for column in (data.choices.chosen, data.choices.rejected))


def build_calibration(calibration):
    return [
        {
            "low": calibration.low[n],
            "high": calibration.high[n],
            "said": calibration.predicted[n],
            **build_rate(calibration.observed, n),
        }
        for n in range(len(calibration.low))
    ]


def build_curve(curve):
    return [{"choices": n, **build_rate(curve.accuracy, place)} for place, n in enumerate(curve.choices.tolist())]

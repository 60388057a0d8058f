"""How well a model predicts from the texts which answer people choose."""

from django.utils.translation import gettext_lazy as _

from analyze.maths.predictor import TooFew, predict
from analyze.reports import rate_of

LABEL = _("Prediction")
PLACE = 6
RATES = ("accuracy", "baseline_longer", "baseline_source")
NOTHING = dict.fromkeys((*RATES, *(f"{name}_interval" for name in RATES), "held_out_choices"))
FEW = _("There are too few choices, or choices about too few prompts, to hold any out.")


def numbers(data):
    found = prediction_of(data)
    if found is None:
        return {"predictor": NOTHING | {"accuracy_reason": str(FEW)}}
    rates = {name: rate_of(getattr(found, name)) for name in RATES}
    return {
        "predictor": {
            **{name: rate["value"] for name, rate in rates.items()},
            **{f"{name}_interval": rate["interval"] for name, rate in rates.items()},
            "held_out_choices": found.held_out_choices,
            "n": found.held_out_choices,
            "prompts": found.prompts,
            "log_loss": found.log_loss,
            "calibration": calibration_of(found.calibration),
            "calibration_error": found.calibration.error,
            "curve": curve_of(found.curve),
        },
    }


def prediction_of(data):
    """The Prediction of the choices in data.sample, None where they are too few. It is made once: two parts need it."""
    if "prediction" not in data.found:
        data.found["prediction"] = predicted(data)
    return data.found["prediction"]


def predicted(data):
    rows, choices = data.sample, data.choices
    texts, sources = texts_in(data), [data.source_of(column[rows]) for column in (choices.chosen, choices.rejected)]
    said = {"strength": choices.strength[rows], "chosen_source": sources[0], "rejected_source": sources[1]}
    try:
        return predict(*texts, choices.prompt[rows], **said)
    except TooFew:
        return None


def texts_in(data):
    """(texts of the chosen answers, of the rejected ones) of the choices in data.sample."""
    texts, rows = data.sampled_texts, data.sample
    return tuple([texts[pk] for pk in column[rows].tolist()] for column in (data.choices.chosen, data.choices.rejected))


def calibration_of(found):
    return [
        {"low": found.low[n], "high": found.high[n], "said": found.said[n], **rate_of(found.came, n)}
        for n in range(len(found.low))
    ]


def curve_of(found):
    return [{"choices": n, **rate_of(found.accuracy, place)} for place, n in enumerate(found.choices.tolist())]

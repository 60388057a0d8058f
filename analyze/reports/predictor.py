"""How well a model predicts from the texts which answer people choose, and the judgments that it finds strange."""

import numpy as np
from django.utils.translation import gettext_lazy as _

from analyze.maths.predictor import TooFew, predict
from analyze.reports import rate_of

LABEL = _("Prediction")
PLACE = 6
RATES = ("accuracy", "baseline_longer", "baseline_source")
NOTHING = dict.fromkeys((*RATES, *(f"{name}_interval" for name in RATES), "held_out_choices"))
FEW = _("There are too few choices, or choices about too few prompts, to hold any out.")


def numbers(data):
    rows, choices, texts = data.sample, data.choices, data.sampled_texts
    chosen, rejected = ([texts[pk] for pk in column[rows].tolist()] for column in (choices.chosen, choices.rejected))
    sources = data.source_of(choices.chosen[rows]), data.source_of(choices.rejected[rows])
    try:
        found = predict(
            chosen,
            rejected,
            choices.prompt[rows],
            strength=choices.strength[rows],
            chosen_source=sources[0],
            rejected_source=sources[1],
        )
    except TooFew:
        return {"predictor": NOTHING | {"accuracy_reason": str(FEW)}, "suspicious": [], "suspicious_reason": str(FEW)}
    rates = {name: rate_of(getattr(found, name)) for name in RATES}
    return {
        "predictor": {
            **{name: rate["value"] for name, rate in rates.items()},
            **{f"{name}_interval": rate["interval"] for name, rate in rates.items()},
            "held_out_choices": found.held_out_choices,
            "prompts": found.prompts,
            "log_loss": found.log_loss,
            "calibration": calibration_of(found.calibration),
            "calibration_error": found.calibration.error,
            "curve": [
                {"choices": n, **rate_of(found.curve.accuracy, place)}
                for place, n in enumerate(found.curve.choices.tolist())
            ],
        },
        "suspicious": suspicious_of(data, rows, found.probability, chosen, rejected),
    }


def calibration_of(found):
    return [
        {"low": found.low[n], "high": found.high[n], "said": found.said[n], **rate_of(found.came, n)}
        for n in range(len(found.low))
    ]


def curve_of(found):
    return [{"choices": n, **rate_of(found.accuracy, place)} for place, n in enumerate(found.choices.tolist())]


def suspicious_of(data, rows, probability, chosen, rejected):
    """The judgments whose choice the model, which never saw their prompt, held for unlikely: the unlikeliest first."""
    unlikely = np.flatnonzero(probability < 0.5)
    order = unlikely[np.argsort(probability[unlikely], kind="stable")][: data.most]
    return [
        {
            "judgment": data.choices.judgment[rows[n]],
            "chosen": chosen[n],
            "rejected": rejected[n],
            "probability": probability[n],
        }
        for n in order.tolist()
    ]

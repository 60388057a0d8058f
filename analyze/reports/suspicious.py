"""The judgments that a model which learnt from all others finds strange: to look at, not to leave out."""

import numpy as np
from django.utils.translation import gettext_lazy as _

from analyze.reports.predictor import TOO_FEW, get_prediction, get_texts

LABEL = _("Strange judgments")
PLACE = 7


def numbers(data):
    prediction = get_prediction(data)
    if prediction is None:
        return {"suspicious": [], "suspicious_reason": str(TOO_FEW)}
    return {"suspicious": build_lines(data, prediction.probability)}


def build_lines(data, probability):
    """The judgments whose choice the model, which never saw their prompt, held for unlikely: the unlikeliest first."""
    rows, (chosen, rejected) = data.sample, get_texts(data)
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

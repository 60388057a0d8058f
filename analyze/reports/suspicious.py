"""The part on suspicious judgments: those that a model trained on the others finds unlikely. To review, not to drop."""

import numpy as np
from django.utils.translation import gettext_lazy as _

from analyze.columns import DatasetColumns
from analyze.maths.arrays import Floats
from analyze.reports.predictor import TOO_FEW, get_prediction, get_texts
from analyze.shapes import Line, Numbers

LABEL = _("Outliers")
PLACE = 7


def numbers(data: DatasetColumns) -> Numbers:
    prediction = get_prediction(data)
    if prediction is None:
        return {"suspicious": [], "suspicious_reason": str(TOO_FEW)}
    return {"suspicious": build_lines(data, prediction.probability)}


def build_lines(data: DatasetColumns, probability: Floats) -> list[Line]:
    """The judgments that the model finds unlikely, the least likely first.

    probability: (sample,), of the choice, by a model that never saw its prompt; NaN for ties.
    """
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

"""The part on what to ask next: how many more judgments make the order of the sources certain, and which neighbours
are open until then. `half_between` holds the quartiles of the forecast.
"""

from django.utils.translation import gettext_lazy as _

from analyze.columns import DatasetColumns
from analyze.maths.active_selection import forecast_judgments
from analyze.shapes import Numbers, Tables
from datasets.models import Comparison

LABEL = _("Sampling plan")
PLACE = 9


def numbers(data: DatasetColumns) -> Numbers:
    comparisons = Comparison.objects.filter(dataset=data.dataset)
    counted = {
        "open": comparisons.open().count(),
        "sure": comparisons.filter(held=Comparison.SURE).count(),
        "judgments": None,
        "half_between": None,
        "undecided": None,
    }
    if data.strengths is None:
        return {"asking": counted | {"judgments_reason": str(_("No answers of different models have been compared."))}}
    estimate, names = forecast_judgments(data.strengths), data.strengths.source.tolist()
    return {
        "asking": counted
        | {
            "judgments": estimate.judgments,
            "half_between": [estimate.low, estimate.high],
            "undecided": [[names[above], names[below]] for above, below in estimate.open_pairs],
            "alike": estimate.alike,
        }
    }


def tables(numbers: Numbers) -> Tables:
    asking = numbers["asking"]
    line = {name: asking[name] for name in ("open", "sure", "judgments")}
    return {"asking": [line | {"interval": asking["half_between"]}]}

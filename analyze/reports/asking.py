"""What to ask next: about how many more judgments make the order of the sources certain (half of what may come lies
between `half_between`), and which neighbours are open until then."""

from django.utils.translation import gettext_lazy as _

from analyze.maths.active_selection import forecast
from datasets.models import Comparison

LABEL = _("What to ask next")
PLACE = 9


def numbers(data):
    asked = Comparison.objects.filter(dataset=data.dataset)
    found = {
        "open": asked.open().count(),
        "sure": asked.filter(held=Comparison.SURE).count(),
        "judgments": None,
        "half_between": None,
        "undecided": None,
    }
    if data.strengths is None:
        return {"asking": found | {"judgments_reason": str(_("No two answers of different sources were compared."))}}
    said, names = forecast(data.strengths), data.strengths.source.tolist()
    return {
        "asking": found
        | {
            "judgments": said.judgments,
            "half_between": [said.low, said.high],
            "undecided": [[names[above], names[below]] for above, below in said.open_pairs],
            "alike": said.alike,
        }
    }


def tables(numbers):
    said = numbers["asking"]
    line = {name: said[name] for name in ("open", "sure", "judgments")}
    return {"asking": [line | {"interval": said["half_between"]}]}

"""How each person judges: rates with intervals, and who needs a look."""

from django.utils.translation import gettext_lazy as _

from analyze.maths.people import people
from analyze.reports import rate_of

LABEL = _("People")
PLACE = 4
RATES = (
    "agreement", "gold", "self_consistency", "left_share", "longer_share", "tie_share", "seconds_per_100_words",
)  # fmt: skip


def numbers(data):
    votes = data.said
    if not len(votes):
        return {"annotators": []}
    found = people(votes)
    return {"annotators": [line_of(data, found, n) for n in found.order.tolist()]}


def line_of(data, found, n):
    """One person's line; the first of all is the one that needs a look the most."""
    person = data.people[int(found.annotator[n])]
    drift = found.drift
    return {
        "annotator": str(person),
        "kind": person.kind,
        "judgments": found.judgments[n],
        **{name: rate_of(getattr(found, name), n) for name in RATES},
        "drift": {"value": drift.value[n], "interval": [drift.low[n], drift.high[n]], "n": drift.n[n]},
        "reliability": found.model.reliability[n],
        "careless_probability": found.model.careless_probability[n],
        "evidence": found.model.evidence[n],
        "is_marked": bool(found.is_marked[n]),
        "reasons": list(found.reasons[n]),
    }

"""How each person judges: rates with intervals, and who needs a look."""

from datetime import UTC, datetime

import numpy as np
from django.utils.translation import gettext_lazy as _

from analyze.maths.people import people
from analyze.maths.strengths import strengths
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
    found = people(votes, expected(data, votes))
    return {"annotators": [line_of(data, found, n) for n in found.order.tolist()]}


def weights_of(data):
    """What each choice weighs by the reliability of whose it is."""
    votes = data.said
    if not len(votes):
        return None
    return people(votes, expected(data, votes)).model.weights(data.choices.person)


def expected(data, votes):
    """For each vote the chance that the first answer is chosen, by what all people's choices say of the two sources and
    of length: without it, whoever rightly prefers what is mostly longer would look like somebody who clicks the longer
    one."""
    choices = data.choices
    first, second = np.array([pair.split("-") for pair in votes.pair], np.int64).T
    sources = data.source_of(choices.chosen), data.source_of(choices.rejected)
    longer = relative(data.length_of(choices.chosen), data.length_of(choices.rejected))
    if (sources[0] != sources[1]).any():
        found = strengths(*sources, choices.strength, controls={"length": longer})
        chance, effect = found.chance(data.source_of(first), data.source_of(second)), found.effects[0].value
    else:
        sides = np.where(longer > 0, "longer", "shorter"), np.where(longer < 0, "longer", "shorter")
        found = strengths(*sides, choices.strength)
        sign = relative(data.length_of(first), data.length_of(second))
        chance, effect = found.chance(*(np.where(one > 0, "longer", "shorter") for one in (sign, -sign))), 0.0
    lead = np.log(chance / (1 - chance)) + effect * relative(data.length_of(first), data.length_of(second))
    return 1 / (1 + np.exp(-lead))


def relative(one, other):
    """The difference of two lengths over their sum."""
    return (one - other) / np.maximum(one + other, 1)


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
        "since": moment_of(found.since[n]) if found.reasons[n][:1] == ("drifts",) else None,
    }


def moment_of(seconds):
    """A moment as ISO text; None where it is not known."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if np.isfinite(seconds) else None

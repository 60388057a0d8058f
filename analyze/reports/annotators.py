"""The part on annotators: how each one judges, and who needs a look."""

from datetime import UTC, datetime

import numpy as np
from django.utils.translation import gettext_lazy as _

from analyze.columns import DatasetColumns
from analyze.maths.arrays import Floats, Ints
from analyze.maths.people import People, assess_people
from analyze.maths.strengths import fit_strengths
from analyze.maths.votes import Votes
from analyze.reports import build_rate
from analyze.shapes import Line, Numbers

LABEL = _("Annotators")
PLACE = 4
RATES = (
    "agreement", "gold", "self_consistency", "left_share", "longer_share", "tie_share", "seconds_per_100_words",
)  # fmt: skip


def numbers(data: DatasetColumns) -> Numbers:
    votes = data.votes
    if not len(votes):
        return {"annotators": []}
    assessed = assess_people(votes, compute_expected_chances(data, votes))
    return {"annotators": [build_line(data, assessed, n) for n in assessed.order.tolist()]}


def compute_weights(data: DatasetColumns) -> Floats | None:
    """(choices,): the weight of each choice, by its annotator's reliability; None without votes."""
    votes = data.votes
    if not len(votes):
        return None
    return assess_people(votes, compute_expected_chances(data, votes)).model.compute_weights(data.choices.person)


def compute_expected_chances(data: DatasetColumns, votes: Votes) -> Floats:
    """(votes,): the chance that the first answer is chosen, by the strengths of the sources and the effect of length.

    Without this prior, an annotator who rightly prefers answers that happen to be longer would look like one who always
    clicks the longer answer.
    """
    choices = data.choices
    first, second = data.pairs[votes.pair].T
    sources = data.get_sources(choices.chosen), data.get_sources(choices.rejected)
    longer = compute_relative_difference(data.get_lengths(choices.chosen), data.get_lengths(choices.rejected))
    if (sources[0] != sources[1]).any():
        fitted = fit_strengths(*sources, choices.strength, controls={"length": longer})
        chance = fitted.compute_chance(data.get_sources(first), data.get_sources(second))
        effect = fitted.effects[0].value
    else:
        sides = np.where(longer > 0, "longer", "shorter"), np.where(longer < 0, "longer", "shorter")
        fitted = fit_strengths(*sides, choices.strength)
        sign = compute_relative_difference(data.get_lengths(first), data.get_lengths(second))
        chance = fitted.compute_chance(*(np.where(signs > 0, "longer", "shorter") for signs in (sign, -sign)))
        effect = 0.0
    lead = np.log(chance / (1 - chance)) + effect * compute_relative_difference(
        data.get_lengths(first), data.get_lengths(second)
    )
    return 1 / (1 + np.exp(-lead))


def compute_relative_difference(first: Ints, second: Ints) -> Floats:
    """(n,): the difference of two lengths over their sum."""
    return (first - second) / np.maximum(first + second, 1)


def build_line(data: DatasetColumns, assessed: People, n: int) -> Line:
    """The line of annotator n; becomes a shapes.PersonLine as JSON."""
    person = data.people[int(assessed.annotator[n])]
    drift = assessed.drift
    return {
        "annotator": str(person),
        "kind": person.kind,
        "judgments": assessed.judgments[n],
        **{name: build_rate(getattr(assessed, name), n) for name in RATES},
        "drift": {"value": drift.value[n], "interval": [drift.low[n], drift.high[n]], "n": drift.n[n]},
        "reliability": assessed.model.reliability[n],
        "careless_probability": assessed.model.careless_probability[n],
        "evidence": assessed.model.evidence[n],
        "is_marked": bool(assessed.is_marked[n]),
        "reasons": list(assessed.reasons[n]),
        "since": format_moment(assessed.since[n]) if assessed.reasons[n][:1] == ("drifts",) else None,
    }


def format_moment(seconds: float) -> str | None:
    """A moment as ISO 8601; None if unknown.

    seconds: since the epoch, or NaN.
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if np.isfinite(seconds) else None

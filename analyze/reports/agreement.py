"""How far people agree with each other."""

import numpy as np
from django.utils.translation import gettext_lazy as _

from analyze.maths.agreement import ALPHA_BANDS, INTERVAL, PERCENT_BANDS, agreement, agreement_of_people
from analyze.reports import rate_of

LABEL = _("Agreement")
PLACE = 3
PAIRS_SHOWN = 50
NOTHING = _("No two people have judged the same two answers.")


def numbers(data):
    pair, person, opinion, strength = data.opinions
    found = agreement(pair, person, opinion)
    by_strength = agreement(pair, person, strength, INTERVAL)
    said = {
        "percent": found.percent,
        "percent_interval": found.percent_interval,
        "alpha": found.alpha,
        "alpha_interval": found.alpha_interval,
        "judged_twice": found.units,
        "n": found.units,
        "alpha_strength": by_strength.alpha,
        "alpha_strength_interval": by_strength.alpha_interval,
        "people": people_of(data, pair, person, opinion),
        "bands": [band_of(band) for band in PERCENT_BANDS],
        "alpha_bands": [band_of(band) for band in ALPHA_BANDS],
    }
    if not found.units:
        said["percent_reason"] = said["alpha_reason"] = str(NOTHING)
    elif not np.isfinite(found.alpha):
        said["alpha_reason"] = str(_("All judgments say the same: there is nothing to tell from chance."))
    return {"agreement": said}


def people_of(data, pair, person, opinion):
    """How often each two people said the same, those with the most in common first."""
    named = person >= 0
    found = agreement_of_people(pair[named], person[named], opinion[named])
    return [
        {"one": str(data.people[found.one[n]]), "other": str(data.people[found.other[n]]), **rate_of(found.same, n)}
        for n in range(min(PAIRS_SHOWN, len(found.one)))
    ]


def band_of(band):
    return {"low": band.low, "high": band.high, "of": band.of, "source": band.source}

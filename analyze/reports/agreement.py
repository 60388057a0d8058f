"""The part on agreement: how far annotators agree with each other."""

from typing import Any

import numpy as np
from django.utils.translation import gettext_lazy as _

from analyze.columns import DatasetColumns
from analyze.maths.agreement import ALPHA_BANDS, INTERVAL, PERCENT_BANDS, Band, compare_people, compute_agreement
from analyze.maths.arrays import Column, Ints
from analyze.reports import build_rate
from analyze.shapes import BandNumbers, Line, Numbers

LABEL = _("Agreement")
PLACE = 3
PAIRS_SHOWN = 50
NOTHING = _("No two people have judged the same two answers.")


def numbers(data: DatasetColumns) -> Numbers:
    pair, person, opinion, strength = data.opinions
    by_opinion = compute_agreement(pair, person, opinion)
    by_strength = compute_agreement(pair, person, strength, INTERVAL)
    report: dict[str, Any] = {
        "percent": by_opinion.percent,
        "percent_interval": by_opinion.percent_interval,
        "alpha": by_opinion.alpha,
        "alpha_interval": by_opinion.alpha_interval,
        "judged_twice": by_opinion.units,
        "n": by_opinion.units,
        "alpha_strength": by_strength.alpha,
        "alpha_strength_interval": by_strength.alpha_interval,
        "people": build_pairs(data, pair, person, opinion),
        "bands": [build_band(band) for band in PERCENT_BANDS],
        "alpha_bands": [build_band(band) for band in ALPHA_BANDS],
    }
    if not by_opinion.units:
        report["percent_reason"] = report["alpha_reason"] = str(NOTHING)
    elif not np.isfinite(by_opinion.alpha):
        report["alpha_reason"] = str(_("All judgments say the same: there is nothing to tell from chance."))
    return {"agreement": report}


def build_pairs(data: DatasetColumns, pair: Column, person: Ints, opinion: Ints) -> list[Line]:
    """How often each two annotators agree, those with the most shared votes first."""
    named = person >= 0
    pairs = compare_people(pair[named], person[named], opinion[named])
    return [
        {"one": str(data.people[pairs.one[n]]), "other": str(data.people[pairs.other[n]]), **build_rate(pairs.same, n)}
        for n in range(min(PAIRS_SHOWN, len(pairs.one)))
    ]


def build_band(band: Band) -> BandNumbers:
    return {"low": band.low, "high": band.high, "of": band.of, "source": band.source}

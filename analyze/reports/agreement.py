"""The part on agreement: how far annotators agree with each other."""

from datetime import date, timedelta
from typing import Any

import numpy as np
from django.utils.translation import gettext_lazy as _

from analyze.columns import DatasetColumns
from analyze.maths.agreement import (
    ALPHA_BANDS,
    INTERVAL,
    PERCENT_BANDS,
    Band,
    compare_days,
    compare_people,
    compute_agreement,
)
from analyze.maths.arrays import Column, Ints
from analyze.reports import build_rate
from analyze.shapes import BandNumbers, Line, Numbers

LABEL = _("Agreement")
PLACE = 3
PAIRS_SHOWN = 50
DAYS_SHOWN = 14
EPOCH = date(1970, 1, 1)
NOTHING = _("No pair of answers has been judged by two people.")


def numbers(data: DatasetColumns) -> Numbers:
    pair, person, opinion, strength, day = data.opinions
    by_opinion = compute_agreement(pair, person, opinion)
    by_strength = compute_agreement(pair, person, strength, INTERVAL)
    report: dict[str, Any] = {
        "percent": by_opinion.percent,
        "percent_interval": by_opinion.percent_interval,
        "alpha": by_opinion.alpha,
        "alpha_interval": by_opinion.alpha_interval,
        "judged_twice": by_opinion.units,
        "couples": by_opinion.couples,
        "n": by_opinion.units,
        "alpha_strength": by_strength.alpha,
        "alpha_strength_interval": by_strength.alpha_interval,
        "by_day": build_days(pair, opinion, day),
        "people": build_pairs(data, pair, person, opinion),
        "bands": [build_band(band) for band in PERCENT_BANDS],
        "alpha_bands": [build_band(band) for band in ALPHA_BANDS],
    }
    if not by_opinion.units:
        report["percent_reason"] = report["alpha_reason"] = str(NOTHING)
    elif not np.isfinite(by_opinion.alpha):
        report["alpha_reason"] = str(_("All judgments are the same, so agreement cannot be corrected for chance."))
    return {"agreement": report}


def build_days(pair: Column, opinion: Ints, day: Ints) -> list[Line]:
    """The agreement of each of the last DAYS_SHOWN days that has a couple of votes; the last day is that of a vote."""
    if not len(day) or day.max() < 0:
        return []
    first = int(day.max()) - DAYS_SHOWN + 1
    daily = compare_days(pair, opinion, day, since=first)
    return [
        {
            "day": (EPOCH + timedelta(days=int(daily.day[n]))).isoformat(),
            "place": int(daily.day[n]) - first + 1,
            **build_rate(daily.same, n),
        }
        for n in range(len(daily.day))
    ]


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

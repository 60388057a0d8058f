"""How far annotators agree: in percent, and beyond chance."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from analyze.maths.arrays import Column, Floats, Ints
from analyze.maths.intervals import Rate, compute_bootstrap_interval, compute_rate
from analyze.maths.votes import pair_votes

Level = Literal["nominal", "interval", "ordinal"]
NOMINAL: Level = "nominal"
INTERVAL: Level = "interval"
ORDINAL: Level = "ordinal"
DRAWS = 1000
MOST_PEOPLE = 200  # compared pairwise


@dataclass(frozen=True)
class Band:
    """A published range to compare the agreement in a dataset with."""

    low: float
    high: float
    of: str  # who agreed with whom, on what
    source: str


# Percent agreement on choices between two answers.
PERCENT_BANDS = (
    Band(0.711, 0.741, "trained labelers of InstructGPT with each other", "Ouyang et al. 2022, arXiv 2203.02155, 3.4"),
    Band(0.760, 0.786, "held-out labelers of InstructGPT", "Ouyang et al. 2022, arXiv 2203.02155, 3.4"),
    Band(0.69, 0.77, "researchers on summaries", "Stiennon et al. 2020, arXiv 2009.01325"),
    Band(0.72, 0.83, "the crowd of an arena with experts", "Chiang et al. 2024, arXiv 2403.04132, 7"),
    Band(0.794, 0.898, "experts with experts", "Chiang et al. 2024, arXiv 2403.04132, 7"),
)
# Agreement beyond chance.
ALPHA_BANDS = (
    Band(0.8, 1.0, "reliable", "Krippendorff 2004, Content Analysis, 11.4.2"),
    Band(0.667, 0.8, "for tentative conclusions", "Krippendorff 2004, Content Analysis, 11.4.2"),
    Band(0.465, 0.706, "helpfulness in HelpSteer2, all annotations to the kept ones (weighted kappa)",
         "Wang et al. 2024, arXiv 2406.08673"),
)  # fmt: skip


@dataclass(frozen=True)
class Agreement:
    """Percent agreement and alpha with their 95 % intervals; NaN where undefined."""

    percent: float
    percent_interval: tuple[float, float]
    alpha: float
    alpha_interval: tuple[float, float]
    level: Level
    units: int  # with two or more votes
    votes: int  # on those units
    couples: int  # of votes of two annotators on one unit
    draws: int  # of the bootstrap


def compute_agreement(unit: ArrayLike, annotator: ArrayLike, value: ArrayLike, level: Level = NOMINAL) -> Agreement:
    """The Agreement of a column of votes.

    unit: (n,), ids of the judged units.
    annotator: (n,), ids.
    value: (n,), the vote: a verdict, a signed strength, stars.
    level: of measurement, for alpha.

    Percent is the share of equal votes among all couples of votes of two annotators on one unit. Alpha is computed by
    the library (Krippendorff 2011, "Computing Krippendorff's alpha-reliability"). Both intervals come from a bootstrap
    over units (Zapf et al. 2016, "Measuring inter-rater reliability for nominal data"). If all draws are equal, as with
    a single unit, percent gets Wilson's interval and alpha gets none.

    >>> agreement = compute_agreement([1, 1, 2, 2], ["ann", "bob", "ann", "bob"], [1, 1, 1, -1])
    >>> agreement.percent, agreement.couples
    (0.5, 2)
    """
    patterns, times, domain = _count_patterns(unit, value)
    counted: dict[str, Any] = {
        "level": level,
        "units": int(times.sum()),
        "votes": int((patterns.sum(1) * times).sum()),
        "draws": DRAWS,
    }
    if not len(times):
        nothing = (np.nan, np.nan)
        return Agreement(np.nan, nothing, np.nan, nothing, couples=0, **counted)
    drawn = np.random.default_rng(0).multinomial(times.sum(), times / times.sum(), DRAWS)
    weights = np.vstack([times, drawn])
    equal, all_couples = weights @ _count_equal(patterns), weights @ _count_couples(patterns)
    percent = equal / all_couples
    alphas = _compute_alphas(patterns, weights, domain, level)
    interval, drawn_alphas = compute_bootstrap_interval(percent[1:]), alphas[1:][np.isfinite(alphas[1:])]
    if interval[0] == interval[1]:
        couples_rate = compute_rate(equal[0], all_couples[0])
        interval = float(couples_rate.low), float(couples_rate.high)
    return Agreement(
        percent=float(percent[0]),
        percent_interval=interval,
        alpha=_compute_library_alpha(patterns, times, domain, level),
        alpha_interval=compute_bootstrap_interval(drawn_alphas)
        if len(np.unique(drawn_alphas)) > 1
        else (np.nan, np.nan),
        couples=int(all_couples[0]),
        **counted,
    )


@dataclass(frozen=True)
class DailyAgreement:
    """Agreement by day. Arrays: (days,).

    day: ascending; only days with a couple of votes.
    same: of equal votes.
    """

    day: Ints
    same: Rate


def compare_days(unit: ArrayLike, value: ArrayLike, day: ArrayLike, since: int) -> DailyAgreement:
    """The percent agreement of each day: a couple of votes on one unit counts on the day of the later one.

    unit, value: (n,), as in compute_agreement.
    day: (n,), of each vote.
    since: the first day.

    >>> daily = compare_days([1, 1, 2, 2], [1, 1, 1, -1], [7, 8, 8, 9], since=8)
    >>> daily.day.tolist(), daily.same.value.tolist()
    ([8, 9], [1.0, 0.0])
    """
    days, unit_codes = np.asarray(day), np.unique(np.asarray(unit), return_inverse=True)[1]
    values, value_codes = np.unique(np.asarray(value), return_inverse=True)
    # A vote makes a couple with each earlier one of its unit.
    couples = _rank_within(unit_codes, days)
    equal = _rank_within(unit_codes * max(len(values), 1) + value_codes, days)
    recent, inverse = np.unique(days[days >= since], return_inverse=True)
    n = np.bincount(inverse, couples[days >= since], len(recent))
    rate = compute_rate(np.bincount(inverse, equal[days >= since], len(recent))[n > 0], n[n > 0])
    return DailyAgreement(recent[n > 0], rate)


def _rank_within(group: Ints, order: Ints) -> Ints:
    """(n,): the number of earlier elements of the same group, by `order`."""
    places = np.lexsort((order, group))
    starts = np.flatnonzero(np.diff(group[places], prepend=-1))
    rank = np.arange(len(group)) - np.repeat(starts, np.diff(starts, append=len(group)))
    result = np.empty(len(group), np.int64)
    result[places] = rank
    return result


@dataclass(frozen=True)
class PeoplePairs:
    """Each pair of annotators who share units, those with the most shared votes first.

    Only the MOST_PEOPLE busiest annotators, as the number of pairs grows with their square.
    """

    one: Column
    other: Column
    same: Rate  # of equal votes


def compare_people(unit: ArrayLike, annotator: ArrayLike, value: ArrayLike) -> PeoplePairs:
    """How often each two annotators gave equal votes on the units that both judged.

    unit, annotator, value: (n,), as in compute_agreement.

    >>> pairs = compare_people([1, 1, 2, 2], ["ann", "bob", "ann", "bob"], [1, 1, 1, -1])
    >>> pairs.one.tolist(), pairs.other.tolist(), pairs.same.value.tolist()
    (['ann'], ['bob'], [0.5])
    """
    unit, annotator, value = pick_busiest(np.asarray(unit), np.asarray(annotator), np.asarray(value))
    row, other_row = pair_votes(unit, annotator)
    names, codes = np.unique(annotator, return_inverse=True)
    place = np.minimum(codes[row], codes[other_row]) * len(names) + np.maximum(codes[row], codes[other_row])
    pairs, inverse = np.unique(place, return_inverse=True)
    n = np.bincount(inverse, minlength=len(pairs))
    same = np.bincount(inverse, value[row] == value[other_row], len(pairs))
    order = np.argsort(-n, kind="stable")
    first, second = np.divmod(pairs[order], max(len(names), 1))
    return PeoplePairs(names[first], names[second], compute_rate(same[order], n[order]))


def pick_busiest(unit: Column, annotator: Column, value: Column) -> tuple[Column, Column, Column]:
    """(unit, annotator, value): the votes of the MOST_PEOPLE busiest annotators."""
    _, codes, judged = np.unique(annotator, return_inverse=True, return_counts=True)
    if len(judged) <= MOST_PEOPLE:
        return unit, annotator, value
    is_busiest = np.isin(codes, np.argsort(-judged, kind="stable")[:MOST_PEOPLE])
    return unit[is_busiest], annotator[is_busiest], value[is_busiest]


def _count_patterns(unit: ArrayLike, value: ArrayLike) -> tuple[Ints, Ints, Column]:
    """(patterns, times, domain) of the units with two or more votes.

    patterns: (p, values), distinct rows of votes per value.
    times: (p,), units with each pattern.
    domain: (values,), the values.
    """
    domain, codes = np.unique(np.asarray(value), return_inverse=True)
    units, places = np.unique(np.asarray(unit), return_inverse=True)
    table = np.bincount(places * len(domain) + codes, minlength=len(units) * len(domain)).reshape(
        len(units), len(domain)
    )
    table = table[table.sum(1) > 1]
    if not len(table):
        return table, np.zeros(0, int), domain
    return *np.unique(table, axis=0, return_counts=True), domain


def _count_couples(patterns: Ints) -> Floats:
    n: Ints = patterns.sum(1)
    return n * (n - 1) / 2


def _count_equal(patterns: Ints) -> Floats:
    equal: Ints = (patterns * (patterns - 1)).sum(1)
    return equal / 2


def _compute_library_alpha(patterns: Ints, times: Ints, domain: Column, level: Level) -> float:
    import krippendorff

    used = patterns.sum(0) > 0
    if used.sum() < 2:
        return np.nan
    table = np.repeat(patterns, times, axis=0)[:, used]
    numbers = domain[used] if level != NOMINAL else np.arange(used.sum())
    return float(krippendorff.alpha(value_counts=table, value_domain=numbers, level_of_measurement=level))


def _compute_alphas(patterns: Ints, weights: Ints, domain: Column, level: Level) -> Floats:
    """(draws,): alpha for each row of weights, from the coincidences, which are sums over units.

    weights: (draws, p), times of each pattern.
    """
    size = patterns.shape[1]
    per_unit = patterns[:, :, None] * patterns[:, None, :] - patterns[:, :, None] * np.eye(size)
    per_unit = per_unit / (patterns.sum(1) - 1)[:, None, None]
    coincidences = (weights @ per_unit.reshape(len(patterns), -1)).reshape(-1, size, size)
    totals = coincidences.sum(2)
    n = totals.sum(1)
    distance = _compute_distances(totals, domain, level)
    observed: Floats = (coincidences * distance).sum((1, 2))
    expected: Floats = (totals[:, :, None] * totals[:, None, :] * distance).sum((1, 2)) / (n - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - observed / expected


def _compute_distances(totals: Floats, domain: Column, level: Level) -> Floats:
    """Krippendorff's squared differences of the values, or of their ranks in the data.

    totals: (draws, values), how often each value occurs.
    """
    if level == NOMINAL:
        return 1 - np.eye(len(domain))
    if level == INTERVAL:
        return np.subtract.outer(domain, domain).astype(float) ** 2
    middle = np.cumsum(totals, axis=1) - totals / 2
    return (middle[:, :, None] - middle[:, None, :]) ** 2

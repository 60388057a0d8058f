"""Types of a report's numbers as JSON holds them. Imports neither numpy nor scipy: pages import this."""

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

Numbers: TypeAlias = dict[str, Any]  # of a part, or of a whole report
Line: TypeAlias = dict[str, Any]  # a row of a table
Tables: TypeAlias = dict[str, list[Line]]
RateName = Literal[
    "agreement", "gold", "self_consistency", "left_share", "longer_share", "tie_share", "seconds_per_100_words"
]


class RateNumbers(TypedDict):
    """A rate of n votes or choices; without any, its value is None."""

    value: float | None
    interval: list[float]
    n: int


class KnownRate(TypedDict):
    """A RateNumbers with a value."""

    value: float
    interval: list[float]
    n: int


class PersonLine(TypedDict):
    """A line of the part `annotators`."""

    annotator: str
    kind: str  # as in listing.Person
    judgments: int
    agreement: RateNumbers
    gold: RateNumbers
    self_consistency: RateNumbers
    left_share: RateNumbers
    longer_share: RateNumbers
    tie_share: RateNumbers
    seconds_per_100_words: RateNumbers
    drift: RateNumbers
    reliability: float
    careless_probability: float
    evidence: float | None
    is_marked: bool
    reasons: list[str]  # the habit, then the unusual rates; empty unless marked
    since: str | None  # ISO 8601


class BandNumbers(TypedDict):
    """A published range of agreement, see maths.agreement.Band."""

    low: float
    high: float
    of: str
    source: str


class AgreementNumbers(TypedDict):
    """The part `agreement`, as far as the first page reads it."""

    percent: float | None
    percent_interval: list[float]
    percent_reason: NotRequired[str]
    judged_twice: int
    by_day: NotRequired[list[Line]]
    bands: list[BandNumbers]

"""How good is each response, from one star to five? Works for a single response, and alongside other questions."""

from collections.abc import Sequence

from annotate.questions import STARS, Field, Preference, Settings, StarRating, derive_ranked_choices
from datasets.judgments.said import Statement

FEWEST, MOST = 1, 6
KEYS: dict[str, str] = {}
FIVE = (1, 2, 3, 4, 5)
STRONGEST = 3


def verdicts(settings: Settings) -> list[str]:
    return ["rate"]


def fields(sides: Sequence[str]) -> list[Field]:
    return [Field(f"stars_{side}", STARS, side, FIVE) for side in sides]


def by_criterion(settings: Settings, sides: Sequence[str]) -> list[Field]:
    return fields(sides)


def wrong(settings: Settings, details: Statement) -> str:
    return ""


def choices(order: Sequence[int], verdict: str, details: Statement) -> list[Preference]:
    """The response with more stars over the one with fewer; the strength is the difference, at most 3."""
    stars = dict(zip(order, details[STARS], strict=True))
    return [
        (better, worse, min(STRONGEST, stars[better] - stars[worse]), None)
        for better, worse, *_ in derive_ranked_choices(order, [-given for given in details[STARS]], int)
    ]


def ratings(order: Sequence[int], details: Statement) -> list[StarRating]:
    return list(zip(order, details[STARS], strict=True))


def contradicts(order: Sequence[int], details: Statement, chosen: list[Preference]) -> bool:
    """Whether the stars contradict the preferences: a rejected response has more of them."""
    stars = dict(zip(order, details[STARS], strict=True))
    return any(strength and stars[rejected] > stars[winner] for winner, rejected, strength, _ in chosen)

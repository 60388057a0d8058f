"""In which order are the responses, best first? Equal places are a tie."""

from collections.abc import Sequence

from annotate.questions import RANK, Field, Preference, Settings, StarRating, derive_ranked_choices
from datasets.judgments.said import Statement

FEWEST, MOST = 2, 6
KEYS: dict[str, str] = {}


def verdicts(settings: Settings) -> list[str]:
    return ["rank"]


def fields(sides: Sequence[str]) -> list[Field]:
    places = tuple(range(1, len(sides) + 1))
    return [Field(f"rank_{place}", RANK, side, places) for place, side in zip(places, sides, strict=True)]


def by_criterion(settings: Settings, sides: Sequence[str]) -> list[Field]:
    return fields(sides)


def wrong(settings: Settings, details: Statement) -> str:
    places = details[RANK]
    return "" if settings.allow_tie or len(set(places)) == len(places) else "no_tie"


def choices(order: Sequence[int], verdict: str, details: Statement) -> list[Preference]:
    """A preference for each pair of responses: strength 1, with the number of places between the two."""
    return derive_ranked_choices(order, details[RANK], lambda gap: 1)


def ratings(order: Sequence[int], details: Statement) -> list[StarRating]:
    return []

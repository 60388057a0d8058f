"""Which response is best, which is worst? Those in between stay unordered (best-worst scaling)."""

from collections.abc import Sequence

from annotate.questions import RANK, Field, Preference, Settings, StarRating, derive_ranked_choices
from datasets.judgments.said import Statement

FEWEST, MOST = 3, 6
KEYS: dict[str, str] = {}
BEST, BETWEEN, WORST = 1, 2, 3


def verdicts(settings: Settings) -> list[str]:
    return ["rank"]


def fields(sides: Sequence[str]) -> list[Field]:
    values = (BEST, BETWEEN, WORST)
    return [Field(f"rank_{place}", RANK, side, values, BETWEEN) for place, side in enumerate(sides, 1)]


def by_criterion(settings: Settings, sides: Sequence[str]) -> list[Field]:
    return fields(sides)


def wrong(settings: Settings, details: Statement) -> str:
    one_each = details[RANK].count(BEST) == details[RANK].count(WORST) == 1
    return "" if one_each else "one_best_one_worst"


def choices(order: Sequence[int], verdict: str, details: Statement) -> list[Preference]:
    """The best over all others, all others over the worst; no preference among those in between."""
    return [choice for choice in derive_ranked_choices(order, details[RANK], lambda gap: 1) if choice[3]]


def ratings(order: Sequence[int], details: Statement) -> list[StarRating]:
    return []

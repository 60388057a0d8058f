"""Which of two responses is better?"""

from collections.abc import Sequence

from annotate.questions import VERDICT, Field, Preference, Settings, StarRating
from datasets.judgments.said import Statement

FEWEST = MOST = 2
KEYS = {"left": "1", "right": "2", "tie": "0"}


def verdicts(settings: Settings) -> list[str]:
    allowed = ["left", "right"]
    if settings.allow_tie:
        allowed.insert(1, "tie")
    if settings.allow_both_bad:
        allowed.append("both_bad")
    return allowed


def fields(sides: Sequence[str]) -> list[Field]:
    return []


def by_criterion(settings: Settings, sides: Sequence[str]) -> list[Field]:
    return [Field("verdict", VERDICT, "", tuple(verdicts(settings)))]


def wrong(settings: Settings, details: Statement) -> str:
    return ""


def choices(order: Sequence[int], verdict: str, details: Statement) -> list[Preference]:
    """One preference. A tie has strength 0 and is in id order, so that it carries no position; both bad states none."""
    left, right = order
    first, second = sorted(order)
    stated: dict[str, Preference] = {
        "left": (left, right, 1, None),
        "right": (right, left, 1, None),
        "tie": (first, second, 0, None),
    }
    return [stated[verdict]] if verdict in stated else []


def ratings(order: Sequence[int], details: Statement) -> list[StarRating]:
    return []

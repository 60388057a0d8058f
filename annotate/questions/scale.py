"""Which of two responses is better, and by how much? Seven steps from left to right, as in HelpSteer3 and Llama 2."""

from collections.abc import Sequence

from annotate.questions import VERDICT, Field, Preference, Settings, StarRating, pair
from datasets.judgments.said import Statement

FEWEST = MOST = 2
STEPS = ("left3", "left2", "left1", "tie", "right1", "right2", "right3")
KEYS = {step: str(key) for key, step in enumerate(STEPS, 1)}


def verdicts(settings: Settings) -> list[str]:
    allowed = [step for step in STEPS if settings.allow_tie or step != "tie"]
    return [*allowed, "both_bad"] if settings.allow_both_bad else allowed


def fields(sides: Sequence[str]) -> list[Field]:
    return []


def by_criterion(settings: Settings, sides: Sequence[str]) -> list[Field]:
    return [Field("verdict", VERDICT, "", tuple(verdicts(settings)))]


def wrong(settings: Settings, details: Statement) -> str:
    return ""


def choices(order: Sequence[int], verdict: str, details: Statement) -> list[Preference]:
    """The preference of a pair, with the strength of the step."""
    if verdict in ("tie", "both_bad"):
        return pair.choices(order, verdict, details)
    ((chosen, rejected, _, gap),) = pair.choices(order, verdict[:-1], details)
    return [(chosen, rejected, int(verdict[-1]), gap)]


def ratings(order: Sequence[int], details: Statement) -> list[StarRating]:
    return []

"""Which of two answers is better, and how much? Seven steps from left to right, as HelpSteer3 and Llama 2 ask."""

from annotate.questions import VERDICT, Field, pair

FEWEST = MOST = 2
STEPS = ("left3", "left2", "left1", "tie", "right1", "right2", "right3")
KEYS = {step: str(key) for key, step in enumerate(STEPS, 1)}


def verdicts(settings):
    allowed = [step for step in STEPS if settings.allow_tie or step != "tie"]
    return [*allowed, "both_bad"] if settings.allow_both_bad else allowed


def fields(sides):
    return []


def by_criterion(settings, sides):
    return [Field("verdict", VERDICT, "", tuple(verdicts(settings)))]


def wrong(settings, details):
    return ""


def choices(order, verdict, details):
    """As of a pair, with the strength of the step."""
    if verdict in ("tie", "both_bad"):
        return pair.choices(order, verdict, details)
    ((chosen, rejected, _, gap),) = pair.choices(order, verdict[:-1], details)
    return [(chosen, rejected, int(verdict[-1]), gap)]


def ratings(order, details):
    return []

"""Which of two answers is better?"""

from annotate.questions import VERDICT, Field

FEWEST = MOST = 2
KEYS = {"left": "1", "right": "2", "tie": "0"}


def verdicts(settings):
    allowed = ["left", "right"]
    if settings.allow_tie:
        allowed.insert(1, "tie")
    if settings.allow_both_bad:
        allowed.append("both_bad")
    return allowed


def fields(sides):
    return []


def by_criterion(settings, sides):
    return [Field("verdict", VERDICT, "", tuple(verdicts(settings)))]


def wrong(settings, details):
    return ""


def choices(order, verdict, details):
    """A tie is one choice of strength 0, in id order, so that it says nothing of the sides; both bad is no choice."""
    left, right = order
    stated = {"left": (left, right, 1, None), "right": (right, left, 1, None), "tie": (*sorted(order), 0, None)}
    return [stated[verdict]] if verdict in stated else []


def ratings(order, details):
    return []

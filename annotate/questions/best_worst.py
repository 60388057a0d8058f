"""Which answer is the best, which the worst? What is between them is not told apart (best-worst scaling)."""

from annotate.questions import RANK, Field, derive_ranked_choices

FEWEST, MOST = 3, 6
KEYS = {}
BEST, BETWEEN, WORST = 1, 2, 3


def verdicts(settings):
    return ["rank"]


def fields(sides):
    values = (BEST, BETWEEN, WORST)
    return [Field(f"rank_{place}", RANK, side, values, BETWEEN) for place, side in enumerate(sides, 1)]


def by_criterion(settings, sides):
    return fields(sides)


def wrong(settings, details):
    one_each = details[RANK].count(BEST) == details[RANK].count(WORST) == 1
    return "" if one_each else "one_best_one_worst"


def choices(order, verdict, details):
    """The best over all others, all others over the worst; nothing of those between."""
    return [choice for choice in derive_ranked_choices(order, details[RANK], lambda gap: 1) if choice[3]]


def ratings(order, details):
    return []

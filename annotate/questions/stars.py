"""How good is each answer, from one star to five? Also asked of a single one, and beside other questions."""

from annotate.questions import STARS, Field, derive_ranked_choices

FEWEST, MOST = 1, 6
KEYS = {}
FIVE = (1, 2, 3, 4, 5)
STRONGEST = 3


def verdicts(settings):
    return ["rate"]


def fields(sides):
    return [Field(f"stars_{side}", STARS, side, FIVE) for side in sides]


def by_criterion(settings, sides):
    return fields(sides)


def wrong(settings, details):
    return ""


def choices(order, verdict, details):
    """The answer with more stars over the one with fewer, as strong as the difference, at most 3."""
    stars = dict(zip(order, details[STARS], strict=True))
    return [
        (better, worse, min(STRONGEST, stars[better] - stars[worse]), None)
        for better, worse, *_ in derive_ranked_choices(order, [-given for given in details[STARS]], int)
    ]


def ratings(order, details):
    return list(zip(order, details[STARS], strict=True))


def contradicts(order, details, chosen):
    """Whether the stars say otherwise than the choices: an answer that lost has more of them."""
    stars = dict(zip(order, details[STARS], strict=True))
    return any(strength and stars[rejected] > stars[winner] for winner, rejected, strength, _ in chosen)

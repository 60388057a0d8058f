"""How good is each answer, from one star to five? Also asked of a single one, and beside other questions."""

from annotate.questions import STARS, Field, ranked

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


def wrong(settings, said):
    return ""


def choices(order, verdict, said):
    """The answer with more stars over the one with fewer, as strong as the difference, at most 3."""
    stars = dict(zip(order, said[STARS], strict=True))
    return [
        (better, worse, min(STRONGEST, stars[better] - stars[worse]), None)
        for better, worse, *_ in ranked(order, [-given for given in said[STARS]], int)
    ]


def ratings(order, said):
    return list(zip(order, said[STARS], strict=True))


def contradicts(order, said, chosen):
    """Whether the stars say otherwise than the choices: an answer that lost has more of them."""
    stars = dict(zip(order, said[STARS], strict=True))
    return any(strength and stars[rejected] > stars[winner] for winner, rejected, strength, _ in chosen)

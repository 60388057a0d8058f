"""In which order are the answers, best first? Equal places are a tie."""

from annotate.questions import RANK, Field, ranked

FEWEST, MOST = 2, 6
KEYS = {}


def verdicts(settings):
    return ["rank"]


def fields(sides):
    places = tuple(range(1, len(sides) + 1))
    return [Field(f"rank_{place}", RANK, side, places) for place, side in zip(places, sides, strict=True)]


def by_criterion(settings, sides):
    return fields(sides)


def wrong(settings, said):
    places = said[RANK]
    return "" if settings.allow_tie or len(set(places)) == len(places) else "no_tie"


def choices(order, verdict, said):
    """One of every two answers, each plain (strength 1), with how many places they are apart."""
    return ranked(order, said[RANK], lambda gap: 1)


def ratings(order, said):
    return []

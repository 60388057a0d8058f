"""In which order are the answers, best first? Equal places are a tie."""

from annotate.questions import RANK, Field, derive_ranked_choices

FEWEST, MOST = 2, 6
KEYS = {}


def verdicts(settings):
    return ["rank"]


def fields(sides):
    places = tuple(range(1, len(sides) + 1))
    return [Field(f"rank_{place}", RANK, side, places) for place, side in zip(places, sides, strict=True)]


def by_criterion(settings, sides):
    return fields(sides)


def wrong(settings, details):
    places = details[RANK]
    return "" if settings.allow_tie or len(set(places)) == len(places) else "no_tie"


def choices(order, verdict, details):
    """One of every two answers, each plain (strength 1), with how many places they are apart."""
    return derive_ranked_choices(order, details[RANK], lambda gap: 1)


def ratings(order, details):
    return []

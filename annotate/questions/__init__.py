"""The questions that can be put of a comparison, one file each, found by itself. Pure: no request, no database.

A module here that has `verdicts` is a question; its name is the module's. It has

    FEWEST, MOST                      how many answers it can be asked of
    verdicts(settings)                the buttons that save, as the dataset's settings allow
    fields(sides)                     what is to be filled in beside them: Fields
    by_criterion(settings, sides)     the Fields that ask the same for one criterion
    wrong(settings, details)          the code of what is wrong with what was said, or ""
    choices(order, verdict, details)  [(chosen, rejected, strength, rank gap or None)] that it states
    ratings(order, details)           [(response, stars)]

settings: anything with the dataset's fields. sides: the names of the places on the page, from left to right. order: the
ids of the responses shown there. details: {kind: [value, …]} of the fields, in their order.
"""

import functools
import importlib
import pkgutil
from dataclasses import dataclass

SKIP, KEEP, FLAG = "skip", "keep", "flag"
FLAGS = ("leak", "unsafe", "broken", "unclear")
STARS, RANK, VERDICT = "stars", "rank", "verdict"


@dataclass(frozen=True)
class Field:
    """One group of radio buttons: `name` of the form, `kind` (stars, rank, verdict), the `side` that it is about ("":
    all of them), the `values` to choose from, and the one that is set at first."""

    name: str
    kind: str
    side: str
    values: tuple
    initial: object = None


@functools.cache
def load_questions():
    """{name: module}"""
    names = [info.name for info in pkgutil.iter_modules(__path__)]
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "verdicts")}


def find_question(name, n):
    """The module of the question, if it can be asked of n answers; else of one that can: a dataset may hold
    comparisons from before its question was changed, and judged pairs from a file."""
    for candidate in (name, "pair", "stars", "rank"):
        module = load_questions().get(candidate)
        if module and module.FEWEST <= n <= module.MOST:
            return module
    raise ValueError(f"no question for {n} answers")


def get_sides(n):
    """The names of n places on the page: left and right, or numbers where more than two are shown."""
    return ("left", "right")[:n] if n <= 2 else tuple(str(place) for place in range(1, n + 1))


def derive_ranked_choices(order, places, strength):
    """The choices that places state: the lower one is chosen. strength(gap): of two that are so many places apart.

    Places are counted without gaps: 1, 3, 3 are first and second. Equal ones are a tie, in id order.
    """
    dense = {place: n for n, place in enumerate(sorted(set(places)))}
    shown = sorted((dense[place], pk) for place, pk in zip(places, order, strict=True))
    return [
        (better, worse, strength(other - place) if other > place else 0, other - place)
        for n, (place, better) in enumerate(shown)
        for other, worse in shown[n + 1 :]
    ]

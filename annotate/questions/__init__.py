"""Question types that a comparison can be asked with: one module each, discovered at runtime. No request, no database.

A module of this package that defines `verdicts` is a question; the module's name is the question's name. It provides
what `Question` lists and, optionally, KEYS: {verdict: key on the keyboard}.

settings: anything with the dataset's fields. sides: names of the positions on the page, left to right. order: ids of
the responses in these positions. details: {kind: [value, …]} of the fields, in their order.
"""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias, cast

from datasets.judgments.said import Statement

SKIP, KEEP, FLAG = "skip", "keep", "flag"
FLAGS = ("leak", "unsafe", "broken", "unclear")
STARS: Final = "stars"
RANK: Final = "rank"
VERDICT: Final = "verdict"

Kind: TypeAlias = Literal["stars", "rank", "verdict"]
# Plain tuples: building them is on the fast path of saving a verdict.
Preference: TypeAlias = tuple[int, int, int, int | None]  # (chosen, rejected, strength, rank gap), ids first
StarRating: TypeAlias = tuple[int, int]  # (response id, stars)


@dataclass(frozen=True)
class Field:
    """One group of radio buttons.

    name: of the form field. side: the position it is about, "" for all of them. initial: the value preselected.
    """

    name: str
    kind: Kind
    side: str
    values: tuple[int, ...] | tuple[str, ...]
    initial: int | str | None = None


class Settings(Protocol):
    """The settings of a dataset that questions read."""

    @property
    def allow_tie(self) -> bool: ...

    @property
    def allow_both_bad(self) -> bool: ...


class Question(Protocol):
    """What a question module provides."""

    __name__: str
    FEWEST: int  # responses that it can compare
    MOST: int

    def verdicts(self, settings: Settings) -> list[str]:
        """The buttons that save, as the dataset's settings allow."""

    def fields(self, sides: Sequence[str]) -> list[Field]:
        """The fields to fill in beside the buttons."""

    def by_criterion(self, settings: Settings, sides: Sequence[str]) -> list[Field]:
        """The fields that ask the same for one criterion."""

    def wrong(self, settings: Settings, details: Statement) -> str:
        """The error code of the details, "" if they are valid."""

    def choices(self, order: Sequence[int], verdict: str, details: Statement) -> list[Preference]:
        """The preferences that the verdict and its details state."""

    def ratings(self, order: Sequence[int], details: Statement) -> list[StarRating]:
        """The ratings that the details state."""


@functools.cache
def load_questions() -> dict[str, Question]:
    """Question modules by name."""
    names = [info.name for info in pkgutil.iter_modules(__path__)]
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
    return {name: cast("Question", module) for name, module in modules.items() if hasattr(module, "verdicts")}


def find_question(name: str, n: int) -> Question:
    """The named question if it can compare n responses, else the first of pair, stars and rank that can.

    A dataset may hold comparisons from before its question changed, and judged pairs from a file.

    Raises ValueError when no question fits.
    """
    for candidate in (name, "pair", "stars", "rank"):
        module = load_questions().get(candidate)
        if module and module.FEWEST <= n <= module.MOST:
            return module
    raise ValueError(f"no question for {n} answers")


def get_sides(n: int) -> tuple[str, ...]:
    """The names of n positions on the page: left and right, or numbers from 1 for three and more."""
    return ("left", "right")[:n] if n <= 2 else tuple(str(place) for place in range(1, n + 1))


def derive_ranked_choices(
    order: Sequence[int], places: Iterable[int], strength: Callable[[int], int]
) -> list[Preference]:
    """The preferences that places state: the lower place is chosen; equal places are a tie, in id order.

    Gaps between places are closed first: 1, 3, 3 count as 1, 2, 2.

    strength: called with the number of places between two responses.
    """
    dense = {place: n for n, place in enumerate(sorted(set(places)))}
    shown = sorted((dense[place], pk) for place, pk in zip(places, order, strict=True))
    return [
        (better, worse, strength(other - place) if other > place else 0, other - place)
        for n, (place, better) in enumerate(shown)
        for other, worse in shown[n + 1 :]
    ]

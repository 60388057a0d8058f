"""Votes on pairs of answers, as columns: the input of agreement, people and contradictions."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analyze.maths.arrays import Bools, Column, Floats, Ints

UNKNOWN: Any = None  # the default of a column that `Votes` fills


@dataclass(frozen=True)
class Votes:
    """A row for each vote of an annotator on a pair of answers. A pair has a fixed order: "first" and "second" mean
    the same to all who judge it.

    Columns: (n,); lists become arrays, a missing column is filled with 0, False or NaN.
    vote: 1 for the first, -1 for the second, 0 for a tie.
    left: 1 if the first was shown on the left, -1 if on the right, 0 if unknown.
    longer: 1 if the first is longer, -1 if it is shorter.
    known: the right vote of a gold question, else NaN.
    again: whether the annotator has judged the pair before (a repeat).
    when: seconds since the epoch.
    seconds: time at work.
    words: in both answers together.

    Raises ValueError if the lengths differ.
    """

    annotator: Column
    pair: Column
    vote: Ints
    left: Ints = UNKNOWN
    longer: Ints = UNKNOWN
    known: Floats = UNKNOWN
    again: Bools = UNKNOWN
    when: Floats = UNKNOWN
    seconds: Floats = UNKNOWN
    words: Floats = UNKNOWN

    def __post_init__(self) -> None:
        n = len(np.asarray(self.annotator))
        blank = {"left": 0, "longer": 0, "again": False}
        for field in fields(self):
            column = getattr(self, field.name)
            column = np.full(n, blank.get(field.name, np.nan)) if column is None else np.asarray(column)
            if len(column) != n:
                raise ValueError(f"columns of different lengths: {field.name}")
            object.__setattr__(self, field.name, column)

    def __len__(self) -> int:
        return len(self.annotator)

    def select_rows(self, rows: Ints | Bools) -> "Votes":
        """The votes in these rows: a mask or indices."""
        return Votes(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def pair_votes(unit: ArrayLike, annotator: ArrayLike) -> tuple[Ints, Ints]:
    """(one, other): the rows of each two votes of different annotators on one unit, each couple once.

    The result grows with the square of the votes on one unit: callers limit the number of annotators.

    >>> one, other = pair_votes(unit=[1, 1, 2], annotator=["ann", "bob", "ann"])
    >>> one.tolist(), other.tolist()
    ([0], [1])
    """
    unit_codes = np.unique(np.asarray(unit), return_inverse=True)[1]
    person = np.unique(np.asarray(annotator), return_inverse=True)[1]
    order = np.lexsort((person, unit_codes))
    sorted_units, sorted_people = unit_codes[order], person[order]
    most = int(np.bincount(unit_codes).max(initial=0))
    ones, others = [], []
    for step in range(1, most):
        same = np.flatnonzero(
            (sorted_units[:-step] == sorted_units[step:]) & (sorted_people[:-step] != sorted_people[step:])
        )
        ones.append(order[same])
        others.append(order[same + step])
    none = [np.zeros(0, int)]
    return np.concatenate(ones or none), np.concatenate(others or none)

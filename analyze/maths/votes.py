"""What people said of pairs, as columns: the way in for agreement, people and contradictions."""

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Votes:
    """A row for each vote of a person on a pair of answers, which has an order of its own: "first" and "second" are
    the same for all who judge it.

    `vote` is 1 for the first, -1 for the second, 0 for a tie. `left` is 1 where the first was shown on the left, -1
    where on the right, 0 where nobody knows; `longer` is 1 where the first is longer, -1 where shorter. `known` is the
    right vote where it is known (gold), else NaN; `again` is true where a person judged a pair once more (a repeat).
    `when` is in seconds since the epoch, `seconds` of work, `words` of both answers; NaN where not known.
    """

    annotator: np.ndarray
    pair: np.ndarray
    vote: np.ndarray
    left: np.ndarray = None
    longer: np.ndarray = None
    known: np.ndarray = None
    again: np.ndarray = None
    when: np.ndarray = None
    seconds: np.ndarray = None
    words: np.ndarray = None

    def __post_init__(self):
        n = len(np.asarray(self.annotator))
        blank = {"left": 0, "longer": 0, "again": False}
        for field in fields(self):
            column = getattr(self, field.name)
            column = np.full(n, blank.get(field.name, np.nan)) if column is None else np.asarray(column)
            if len(column) != n:
                raise ValueError(f"columns of different lengths: {field.name}")
            object.__setattr__(self, field.name, column)

    def __len__(self):
        return len(self.annotator)

    def select_rows(self, rows):
        """The votes of some rows, a column of true and false or of places."""
        return Votes(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def pair_votes(unit, annotator):
    """(one, other): the rows of each two votes of different people on one unit, each couple once. They grow with the
    square of the votes on one unit: whoever asks for them bounds the people."""
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

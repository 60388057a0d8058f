"""How often each response or source was chosen: the primer's table."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analyze.maths.arrays import Column, Ints, code_column


@dataclass(frozen=True)
class Counts:
    """Wins, losses and ties of each response or source, the most judged first.

    Arrays: (n,), one entry per item; chosen + rejected + tied = judged.
    """

    item: Column
    chosen: Ints
    rejected: Ints
    tied: Ints
    judged: Ints
    choices: int  # counted
    within: int  # skipped: both sides are the same item, such as two answers of one source


def count_wins(chosen: ArrayLike, rejected: ArrayLike, strength: ArrayLike | None = None) -> Counts:
    """Counts of the items in columns of choices.

    chosen, rejected: (n,), ids or names.
    strength: (n,), 0 for a tie; without it nothing is tied.

    >>> counts = count_wins(["a", "a", "b"], ["b", "c", "a"])
    >>> dict(zip(counts.item.tolist(), counts.chosen.tolist()))
    {'a': 2, 'b': 1, 'c': 0}
    """
    chosen, rejected, strength = align_columns(chosen, rejected, strength)
    between = chosen != rejected
    tie = strength[between] == 0
    item, codes = code_column(np.concatenate([chosen[between], rejected[between]]))
    first, second = codes[: len(tie)], codes[len(tie) :]
    won = np.bincount(first[~tie], minlength=len(item))
    lost = np.bincount(second[~tie], minlength=len(item))
    tied = np.bincount(first[tie], minlength=len(item)) + np.bincount(second[tie], minlength=len(item))
    judged = won + lost + tied
    order = np.lexsort((np.arange(len(item)), lost, -won, -judged))
    return Counts(
        item[order],
        won[order],
        lost[order],
        tied[order],
        judged[order],
        choices=int(between.sum()),
        within=int((~between).sum()),
    )


def align_columns(
    chosen: ArrayLike, rejected: ArrayLike, strength: ArrayLike | None = None
) -> tuple[Column, Column, Column]:
    """(chosen, rejected, strength) as arrays of one length; without strengths, all are 1.

    Raises ValueError if the lengths differ.

    >>> [column.tolist() for column in align_columns(["a", "b"], ["b", "c"])]
    [['a', 'b'], ['b', 'c'], [1, 1]]
    """
    columns: tuple[Column, Column] = np.asarray(chosen), np.asarray(rejected)
    strengths: Column = np.ones(len(columns[0]), int) if strength is None else np.asarray(strength)
    if not len(columns[0]) == len(columns[1]) == len(strengths):
        raise ValueError("columns of different lengths")
    return *columns, strengths

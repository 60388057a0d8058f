"""How often each was chosen: the primer's table."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Counts:
    """A line for each response or source, the most judged first: chosen + rejected + tied = judged."""

    item: np.ndarray
    chosen: np.ndarray
    rejected: np.ndarray
    tied: np.ndarray
    judged: np.ndarray
    choices: int  # all that was counted
    within: int  # left out: both sides are the same item, as two answers of one source


def count_wins(chosen, rejected, strength=None):
    """Win counts from the columns of choices: ids or names, and strengths (0 = tie; without them nothing is tied)."""
    chosen, rejected, strength = align_columns(chosen, rejected, strength)
    between = chosen != rejected
    chosen, rejected, tie = chosen[between], rejected[between], strength[between] == 0
    item, codes = np.unique(np.concatenate([chosen, rejected]), return_inverse=True)
    first, second = codes[: len(chosen)], codes[len(chosen) :]
    won = np.bincount(first[~tie], minlength=len(item))
    lost = np.bincount(second[~tie], minlength=len(item))
    tied = np.bincount(first[tie], minlength=len(item)) + np.bincount(second[tie], minlength=len(item))
    judged = won + lost + tied
    order = np.lexsort((np.arange(len(item)), lost, -won, -judged))
    sorted_columns = (column[order] for column in (item, won, lost, tied, judged))
    return Counts(*sorted_columns, choices=int(between.sum()), within=int((~between).sum()))


def align_columns(chosen, rejected, strength=None):
    """The three columns as arrays of one length."""
    chosen, rejected = np.asarray(chosen), np.asarray(rejected)
    strength = np.ones(len(chosen), int) if strength is None else np.asarray(strength)
    if not len(chosen) == len(rejected) == len(strength):
        raise ValueError("columns of different lengths")
    return chosen, rejected, strength

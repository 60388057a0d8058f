"""Biases that a model trained on the choices would learn: length, side, lists, headings, code, bold, refusals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analyze.maths.arrays import Column, Floats
from analyze.maths.counts import align_columns
from analyze.maths.intervals import Rate, compute_clustered_rate
from analyze.maths.style import TRAITS


@dataclass(frozen=True)
class Balance:
    """A length-balanced selection: the longer answer wins as often as the shorter one.

    The shares are averages over all ways to drop choices of the more frequent kind.
    """

    longer: int  # choices where the longer answer won
    shorter: int
    equal: int  # in length
    kept: int
    left_out: int
    won: dict[str, float]  # {trait: share}, NaN where no two answers differ


@dataclass(frozen=True)
class Bias:
    """How often the answer with more of a trait won, among choices where the two answers differ in it, without ties.

    The intervals allow for several choices about one prompt.
    """

    longer_won: Rate
    left_won: Rate
    lists_won: Rate
    headings_won: Rate
    code_won: Rate
    bold_won: Rate
    refusals_won: Rate
    balance: Balance
    choices: int
    ties: int


def compute_bias(
    chosen_traits: ArrayLike,
    rejected_traits: ArrayLike,
    prompt: ArrayLike,
    strength: ArrayLike | None = None,
    left: ArrayLike | None = None,
) -> Bias:
    """The Bias of columns of choices.

    chosen_traits, rejected_traits: (n, 6), as style.count_traits returns them.
    prompt: (n,), ids.
    strength: (n,), 0 for a tie.
    left: (n,), 1 if the chosen answer was on the left, -1 if on the right, 0 if unknown.

    >>> from analyze.maths.style import count_traits
    >>> bias = compute_bias(count_traits(["long text", "ab"]), count_traits(["x", "abc"]), prompt=[1, 2])
    >>> float(bias.longer_won.value), int(bias.longer_won.n)
    (0.5, 2)
    """
    more = np.sign(np.asarray(chosen_traits, float) - np.asarray(rejected_traits, float)).reshape(-1, len(TRAITS))
    prompt, _, strength = align_columns(prompt, prompt, strength)
    side = np.zeros(len(prompt)) if left is None else np.asarray(left)
    decided = strength > 0
    rates = {name: _compute_win_rate(more[decided, n], prompt[decided]) for n, name in enumerate(TRAITS)}
    return Bias(
        longer_won=rates["length"],
        left_won=_compute_win_rate(side[decided], prompt[decided]),
        **{f"{name}_won": rates[name] for name in TRAITS[1:]},
        balance=_compute_balance(more[decided]),
        choices=int(decided.sum()),
        ties=int((~decided).sum()),
    )


def _compute_win_rate(sign: Column, prompt: Column) -> Rate:
    differ = sign != 0
    return compute_clustered_rate(sign[differ] > 0, prompt[differ])


def _compute_balance(more: Floats) -> Balance:
    length = more[:, 0]
    longer, shorter, equal = (int((length == sign).sum()) for sign in (1, -1, 0))
    each = min(longer, shorter)
    weight = np.where(length > 0, each / max(longer, 1), np.where(length < 0, each / max(shorter, 1), 1.0))
    size = 2 * each + equal
    return Balance(
        longer,
        shorter,
        equal,
        size,
        len(more) - size,
        dict(zip(TRAITS, _compute_weighted_shares(more, weight), strict=True)),
    )


def _compute_weighted_shares(more: Floats, weight: Floats) -> list[float]:
    with np.errstate(divide="ignore", invalid="ignore"):
        shares: Floats = ((more > 0) * weight[:, None]).sum(0) / ((more != 0) * weight[:, None]).sum(0)
    return list(shares.tolist())

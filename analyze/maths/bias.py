"""What the choices that are about to train would teach besides: length, side, lists, headings, refusals."""

from dataclasses import dataclass

import numpy as np

from analyze.maths.counts import align_columns
from analyze.maths.intervals import Rate, compute_clustered_rate
from analyze.maths.style import TRAITS


@dataclass(frozen=True)
class Balance:
    """What a selection with as many choices of the shorter as of the longer would keep, and the rates in it: what its
    rest would be on average, whichever of the more frequent kind are left out."""

    longer: int
    shorter: int
    equal: int
    kept: int
    left_out: int
    won: dict  # {trait: share}, NaN where nothing differs


@dataclass(frozen=True)
class Bias:
    """How often the answer with more of something won, of the choices where the two differ in it; ties aside. Intervals
    hold for choices about the same prompts."""

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


def compute_bias(chosen_traits, rejected_traits, prompt, strength=None, left=None):
    """The Bias of choices: traits of both answers (see style.count_traits), the prompt of each, and `left`, 1 where the
    chosen one stood on the left, -1 where on the right, 0 where nobody knows."""
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


def _compute_win_rate(sign, prompt):
    differ = sign != 0
    return compute_clustered_rate(sign[differ] > 0, prompt[differ])


def _compute_balance(more):
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


def _compute_weighted_shares(more, weight):
    with np.errstate(divide="ignore", invalid="ignore"):
        return (((more > 0) * weight[:, None]).sum(0) / ((more != 0) * weight[:, None]).sum(0)).tolist()

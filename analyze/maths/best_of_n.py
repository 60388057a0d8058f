"""What best of n is worth by people's choices and by the picker's own opinion, and how far it is from the model."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analyze.maths.arrays import Floats
from analyze.maths.intervals import Rate, compute_weighted_rate

Pair = tuple[int, int]  # indices of a prompt's responses: (the one picked, the first one)


@dataclass(frozen=True)
class Value:
    """How often people would choose the pick over the first answer, where it replaces the first; and over all.

    replaced: share of the answers that the pick replaces.
    among_replaced: Rate of wins where it does, by people's choices.
    win_rate, low, high: of the policy against the first answer; an answer that stays counts as half a win.
    own_opinion: the win rate that the picker expects; NaN if it states no chances.
    prompts: number of prompts with at least n judged answers.
    """

    n: int
    replaced: float
    among_replaced: Rate
    win_rate: float
    low: float
    high: float
    own_opinion: float
    prompts: int


def compute_kl_bound(n: int) -> float:
    """The most that best of n can differ from the model, as a KL divergence in nats: log n - (n - 1) / n.

    It is an upper bound, not the value (Beirami et al. 2024, arXiv 2401.01879).

    >>> [round(compute_kl_bound(n), 2) for n in (1, 4, 16)]
    [0.0, 0.64, 1.84]
    """
    return math.log(n) - (n - 1) / n


def compute_pick_weights(scores: Sequence[float], n: int, margin: float) -> dict[Pair, float]:
    """{(pick, first): probability} that best of n replaces the first answer by the pick, for one prompt.

    The n answers are drawn without replacement from the prompt's own, in random order; the pick is the one with the
    highest score. Equal scores keep the first answer.

    scores: of the prompt's answers; the difference of two is the log-odds of a choice between them.
    margin: the chance, from 0.5, from which the pick replaces the first answer.

    >>> compute_pick_weights([0.0, 1.0], n=2, margin=0.5)
    {(1, 0): 0.5}
    """
    weights: dict[Pair, float] = {}
    total = math.comb(len(scores), n)
    least = math.log(margin / (1 - margin)) if margin < 1 else math.inf
    for pick, score in enumerate(scores):
        lower = [first for first, other in enumerate(scores) if other < score]
        if not lower or n < 2:
            continue
        tied = scores.count(score) - 1  # they share the pick when they are drawn too
        ways = (
            math.comb(tied, k) * math.comb(len(lower) - 1, n - 2 - k) / (k + 1) for k in range(min(tied, n - 2) + 1)
        )
        share = sum(ways) / total / n
        if not share:
            continue
        for first in lower:
            if score - scores[first] >= least:
                weights[pick, first] = share
    return weights


def estimate_value(
    chosen: ArrayLike,
    rejected: ArrayLike,
    prompt: ArrayLike,
    scores: Mapping[int, float],
    n: int,
    margin: float = 0.5,
    has_chances: bool = True,
    strength: ArrayLike | None = None,
) -> Value:
    """The Value of best of n, from people's choices between answers of the same prompt.

    chosen, rejected: (choices,), ids of responses; each pair counts once, however often it was judged.
    prompt: (choices,), ids.
    strength: (choices,), 0 for a tie, which counts as half a win.
    scores: {id of a response: its score}, by a picker that has not seen the choices about its prompt.
    n: answers per prompt; prompts with fewer judged answers are left out.
    margin: see compute_pick_weights.
    has_chances: whether differences of scores are log-odds.

    >>> value = estimate_value([1, 3], [2, 4], [7, 8], {1: 1.0, 2: 0.0, 3: 0.0, 4: 1.0}, n=2)
    >>> value.replaced, float(value.among_replaced.value), value.win_rate
    (0.5, 0.5, 0.5)
    """
    strengths = np.ones(len(np.asarray(prompt))) if strength is None else np.asarray(strength)
    columns = [np.asarray(column).tolist() for column in (chosen, rejected, prompt, strengths)]
    wins: dict[int, list[tuple[int, int, float]]] = defaultdict(list)
    for winner, loser, of, how_strong in zip(*columns, strict=True):
        wins[of].append((winner, loser, 1.0 if how_strong else 0.5))
    hits, weights, clusters, replaced, expected = [], [], [], [], []
    for of, pairs in wins.items():
        ids = sorted({pk for pair in pairs for pk in pair[:2]})
        judged = Counter(frozenset(pair[:2]) for pair in pairs)
        if len(ids) < n:
            continue
        by_pair = compute_pick_weights([scores[pk] for pk in ids], n, margin)
        by_ids = {(ids[pick], ids[first]): weight for (pick, first), weight in by_pair.items()}
        replaced.append(sum(by_ids.values()))
        expected.append(sum(w / (1 + math.exp(scores[b] - scores[a])) for (a, b), w in by_ids.items()))
        for winner, loser, won in pairs:
            for pair, hit in (((winner, loser), won), ((loser, winner), 1 - won)):
                if pair in by_ids:
                    hits.append(hit)
                    weights.append(by_ids[pair] / judged[frozenset(pair)])
                    clusters.append(of)
    rate = compute_weighted_rate(hits, weights, clusters)
    share = float(np.mean(replaced)) if replaced else 0.0
    own = 0.5 * (1 - share) + float(np.mean(expected)) if replaced and has_chances else math.nan
    middle, low, high = (0.5 * (1 - share) + share * float(end) for end in (rate.value, rate.low, rate.high))
    if not hits:
        middle = 0.5 if share == 0 and replaced else math.nan
        low, high = (0.5, 0.5) if share == 0 and replaced else (0.0, 1.0)
    return Value(n, share, rate, middle, low, high, own, len(replaced))


def compute_agreement(scores: Mapping[int, float], chosen: ArrayLike, rejected: ArrayLike) -> Floats:
    """(choices,): 1 where the chosen response has the higher score, 0 where the rejected one has, 0.5 if equal.

    >>> compute_agreement({1: 2.0, 2: 0.0}, [1, 2], [2, 1]).tolist()
    [1.0, 0.0]
    """
    pairs = zip(np.asarray(chosen).tolist(), np.asarray(rejected).tolist(), strict=True)
    signs = [float(np.sign(scores[winner] - scores[loser])) for winner, loser in pairs]
    return (np.array(signs) + 1) / 2

"""Simulated people whose truth is known: the reference for the tests and the benchmarks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from analyze.maths.active_selection import compute_information_gain, compute_leads, compute_variance, is_worth_asking
from analyze.maths.arrays import Bools, Column, Floats, Ints
from analyze.maths.strengths import Strengths, fit_strengths
from analyze.maths.votes import Votes

ChoosePairs = Callable[[Ints, Ints, Strengths, int], Ints]  # (first, second, strengths, n): indices of pairs

HONEST, CARELESS, LEFT, LONGER, DRIFTS = "honest", "careless", "left", "longer", "drifts"
LUNCH, PACE = 3600.0, 90.0  # seconds of a break, and per judgment


@dataclass(frozen=True)
class Crowd:
    """Votes and the truth behind them.

    behaviour: of each annotator, shape (annotators,).
    lead: log-odds of each pair's first answer, shape (pairs,).
    sources: of the two answers of each pair, shape (pairs, 2).
    strengths: of each source, in log-odds.
    """

    votes: Votes
    behaviour: Column
    lead: Floats
    sources: Ints
    strengths: Floats

    def compute_chance(self) -> Floats:
        """Per vote, the predicted probability that its pair's first answer wins, from strengths fitted to all votes."""
        first, second = self.sources[self.votes.pair].T
        won = self.votes.vote >= 0
        fitted = fit_strengths(np.where(won, first, second), np.where(won, second, first), np.abs(self.votes.vote))
        return fitted.compute_chance(first, second)


def draw_choices(rng: np.random.Generator, truth: Floats, n: int, tie: float | None = None) -> tuple[Ints, Ints, Ints]:
    """Columns (chosen, rejected, strength) of n choices between random pairs of sources, from Davidson's model.

    truth: strength of each source, in log-odds.
    tie: log of the tie parameter; None for no ties.
    """
    first = rng.integers(0, len(truth), n)
    second = (first + rng.integers(1, len(truth), n)) % len(truth)
    lead = truth[first] - truth[second]
    odds = np.stack([np.exp(lead / 2), np.full(n, 0.0 if tie is None else np.exp(tie)), np.exp(-lead / 2)])
    outcome = (rng.random(n) > np.cumsum(odds / odds.sum(0), axis=0)).sum(0)
    lost = outcome == 2
    return np.where(lost, second, first), np.where(lost, first, second), (outcome != 1).astype(int)


def draw_crowd(
    seed: int,
    behaviour: Sequence[str],
    *,
    judgments: int = 50,
    overlap: int = 3,
    gold: float = 0.1,
    repeats: float = 0.1,
    ties: float = 0.15,
    spread: float = 2.3,
    sources: int = 4,
    skill: float = 0.25,
) -> Crowd:
    """A simulated crowd with one person per entry of `behaviour`.

    An honest person follows the pair's lead through a logistic; people differ in skill and slightly in taste. With the
    defaults, two honest people agree on 73 of 100 pairs where neither calls a tie, as the labelers of InstructGPT did
    (Ouyang et al. 2022).

    judgments: per person.
    gold, repeats: shares of the judgments.
    spread: scale of the leads.
    skill: standard deviation of the log of the skills.
    """
    rng = np.random.default_rng(seed)
    behaviours = np.asarray(behaviour)
    people = len(behaviours)
    annotator, pair, again, is_gold = _deal_pairs(rng, people, judgments, overlap, gold, repeats)
    pairs = int(pair.max()) + 1
    strengths = rng.normal(0, 0.5 * spread, sources)
    pair_sources = np.stack([rng.permutation(sources)[:2] for _ in range(pairs)])
    lead = strengths[pair_sources[:, 0]] - strengths[pair_sources[:, 1]] + rng.normal(0, spread * 0.7, pairs)
    golden = np.zeros(pairs, bool)
    golden[pair[is_gold]] = True
    lead[golden] = np.where(lead[golden] < 0, -1, 1) * (np.abs(lead[golden]) + spread)
    longer = np.where(rng.random(pairs) < 1 / (1 + np.exp(-0.3 * lead)), 1, -1)
    left = rng.choice([-1, 1], len(pair))
    turn = np.arange(len(pair)) % judgments
    late = turn >= judgments // 2
    skills = rng.lognormal(0, skill, people)[annotator]
    tastes = rng.normal(0, 0.2, (2, people))[:, annotator]
    sure = skills * lead[pair] + tastes[0] * left + tastes[1] * longer[pair]
    honest = rng.random(len(pair)) < 1 / (1 + np.exp(-sure))
    slip = rng.random(len(pair)) < 0.05
    coin = rng.random(len(pair)) < 0.5
    says = {
        HONEST: honest,
        CARELESS: coin,
        LEFT: (left > 0) ^ slip,
        LONGER: (longer[pair] > 0) ^ slip,
        DRIFTS: np.where(late, coin, honest),
    }
    first = np.select([behaviours[annotator] == name for name in says], list(says.values()))
    tied = rng.random(len(pair)) < ties * 2 / (1 + np.exp(np.abs(lead[pair])))
    votes = Votes(
        annotator,
        pair,
        np.where(tied, 0, np.where(first, 1, -1)),
        left,
        longer[pair],
        np.where(is_gold, np.sign(lead[pair]), np.nan),
        again,
        turn * PACE + late * LUNCH + 9 * 3600.0,
        rng.lognormal(np.log(PACE * 0.7), 0.5, len(pair)),
        np.full(len(pair), 300.0),
    )
    return Crowd(votes, behaviours, lead, pair_sources, strengths)


def _deal_pairs(
    rng: np.random.Generator, people: int, judgments: int, overlap: int, gold: float, repeats: float
) -> tuple[Ints, Ints, Bools, Bools]:
    """Columns (annotator, pair, again, is gold), ordered by person.

    Ordinary pairs go to `overlap` people, gold pairs to everybody, a repeat to somebody who had the pair before.
    """
    golds, agains = round(judgments * gold), round(judgments * repeats)
    own = judgments - golds - agains
    drawn = rng.permutation(np.repeat(np.arange(-(-people * own // overlap)), overlap)[: people * own])
    rows: list[tuple[int, int, bool, bool]] = []
    for person in range(people):
        mine = list(dict.fromkeys(drawn[person * own : (person + 1) * own].tolist()))
        sequence = [(pair, False, False) for pair in mine]
        sequence += [(-1 - n, False, True) for n in range(golds)]
        rng.shuffle(sequence)
        candidates = [row[0] for row in sequence if not row[2]][: max(len(sequence) // 2, 1)]
        for pair in rng.permutation(candidates)[: judgments - len(sequence)]:
            after = next(place for place, row in enumerate(sequence) if row[0] == pair)
            sequence.insert(int(rng.integers(after + 1, len(sequence) + 1)), (int(pair), True, False))
        rows += [(person, *row) for row in sequence]
    annotator, pair, again, is_gold = (np.array(column) for column in zip(*rows, strict=True))
    return annotator, np.unique(pair, return_inverse=True)[1], again.astype(bool), is_gold.astype(bool)


@dataclass(frozen=True)
class Essays:
    """Choices between generated texts in which every word has a value; `is_flipped` marks the flipped labels."""

    chosen: list[str]
    rejected: list[str]
    prompt: Ints
    is_flipped: Bools


def draw_essays(
    seed: int,
    choices: int,
    *,
    flipped: float = 0.0,
    vocabulary: int = 400,
    length: int = 40,
    sharpness: float = 0.9,
    letters: str = "latin",
) -> Essays:
    """Choices where the more valuable text wins, by a logistic of the difference; then some labels are flipped.

    flipped: share of flipped labels.
    length: words per text.
    sharpness: mean probability that the more valuable text wins.
    letters: "latin", or anything else for Chinese words of two characters, without spaces.
    """
    rng = np.random.default_rng(seed)
    if letters == "latin":
        words = [f"w{chr(97 + n % 26)}{n}" for n in range(vocabulary)]
    else:
        words = [chr(0x4E00 + 7 * n % 4000) + chr(0x4E00 + 11 * n % 4000) for n in range(vocabulary)]
    drawn = rng.integers(0, vocabulary, (choices, 2, length))
    value = rng.standard_normal(vocabulary)[drawn].sum(2)
    lead = value[:, 0] - value[:, 1]
    won = rng.random(choices) < 1 / (1 + np.exp(-lead * _find_spread(sharpness) / lead.std()))
    is_flipped = rng.random(choices) < flipped
    won ^= is_flipped
    blank = " " if letters == "latin" else ""
    texts = [[blank.join(words[word] for word in text) for text in pair] for pair in drawn]
    chosen = [pair[0 if first else 1] for pair, first in zip(texts, won, strict=True)]
    rejected = [pair[1 if first else 0] for pair, first in zip(texts, won, strict=True)]
    return Essays(chosen, rejected, np.arange(choices) // 2, is_flipped)


def _find_spread(wanted: float) -> float:
    """The standard deviation of leads at which the better text wins with mean probability `wanted`."""
    sizes = np.abs(np.random.default_rng(0).standard_normal(4000))
    spreads = np.linspace(0.1, 30, 300)
    accuracies = [(1 / (1 + np.exp(-sizes * spread))).mean() for spread in spreads]
    return spreads[int(np.argmin(np.abs(np.array(accuracies) - wanted)))]


def simulate_asking(
    truth: Floats, judgments: int, *, seed: int = 0, at_once: int = 20, choose: ChoosePairs | None = None
) -> tuple[Floats, Ints]:
    """(rank correlation after each batch, judgments so far) while pairs of sources are judged batch by batch.

    truth: strength of each source, in log-odds.
    judgments: at which to stop.
    at_once: pairs per batch.
    choose: picks the pairs; the simulation ends when it returns none. By default pairs are drawn at random.
    """
    from scipy.stats import spearmanr

    rng = np.random.default_rng(seed)
    size = len(truth)
    pairs = np.array([(a, b) for a in range(size) for b in range(a + 1, size)])
    chosen, rejected = np.zeros(0, int), np.zeros(0, int)
    fitted: Strengths | None = None
    correlations, counts = [], []
    while len(chosen) < judgments:
        batch = pairs[rng.integers(0, len(pairs), at_once)]
        if fitted is None:  # the first batch shows every source
            batch = np.stack([np.arange(size), (np.arange(size) + 1) % size], axis=1)
        elif choose:
            place = np.argsort(fitted.source)
            picked = choose(place[pairs[:, 0]], place[pairs[:, 1]], fitted, at_once)
            if not len(picked):
                break
            batch = pairs[picked]
        first, second = batch.T
        won = rng.random(len(batch)) < 1 / (1 + np.exp(truth[second] - truth[first]))
        chosen = np.append(chosen, np.where(won, first, second))
        rejected = np.append(rejected, np.where(won, second, first))
        fitted = fit_strengths(chosen, rejected)
        correlations.append(spearmanr(truth[fitted.source], fitted.strength).statistic)
        counts.append(len(chosen))
    return np.array(correlations), np.array(counts)


def estimate_judgments_needed(
    choose: ChoosePairs, *, sources: int, spread: float, judgments: int, seeds: int, at_once: int = 20
) -> tuple[float, float]:
    """(judgments with random pairs, judgments with chosen pairs) that reach the same rank correlation.

    The target is the mean correlation over all seeds with three quarters of `judgments` on random pairs.
    """
    counts = np.arange(sources, judgments, at_once)
    curves = np.zeros((2, len(counts)))
    for seed in range(seeds):
        truth = np.random.default_rng(seed).normal(0, spread, sources)
        for row, chooser in enumerate((None, choose)):
            correlations, n = simulate_asking(truth, judgments, seed=seed, at_once=at_once, choose=chooser)
            curves[row] += np.interp(counts, n, correlations) / seeds
    wanted = np.interp(0.75 * judgments, counts, curves[0])
    reached = np.flatnonzero(curves[1] >= wanted)
    return 0.75 * judgments, float(counts[reached[0]]) if len(reached) else np.inf


def choose_pairs(first: ArrayLike, second: ArrayLike, strengths: Strengths, n: int) -> Ints:
    """Indices of at most n undecided pairs to ask next, greedily by information gain; an index may repeat.

    Each chosen pair counts as judged when the next one is chosen. Empty if no pair is undecided.
    """
    first, second = np.asarray(first), np.asarray(second)
    is_open = is_worth_asking(first, second, strengths)
    chosen: list[int] = []
    while is_open.any() and len(chosen) < n:
        gain = np.where(is_open, compute_information_gain(first, second, strengths), -1)
        chosen.append(int(gain.argmax()))
        if strengths.component[first[chosen[-1]]] != strengths.component[second[chosen[-1]]]:
            is_open[chosen[-1]] = False  # its further gain is unknown until it is judged
        strengths = add_judgment(first[chosen[-1]], second[chosen[-1]], strengths)
    return np.array(chosen, int)


def add_judgment(first: int, second: int, strengths: Strengths) -> Strengths:
    """The strengths with the covariance after one more judgment of a pair, whatever its verdict.

    The update is that of Sherman and Morrison (1950).
    """
    lead, error = compute_leads([first], [second], strengths)
    pull = strengths.covariance[:, first] - strengths.covariance[:, second]
    weight = compute_variance(lead[0])
    smaller = strengths.covariance - np.outer(pull, pull) * weight / (1 + weight * error[0] ** 2)
    return replace(strengths, covariance=smaller)

"""Simulated people whose truth is known: what the tests and the bench measure the rest against."""

from dataclasses import dataclass, replace

import numpy as np

from analyze.maths.active_selection import compute_information_gain, compute_leads, compute_variance, is_worth_asking
from analyze.maths.votes import Votes

HONEST, CARELESS, LEFT, LONGER, DRIFTS = "honest", "careless", "left", "longer", "drifts"
LUNCH, PACE = 3600.0, 90.0  # seconds of a break, and of a judgment


@dataclass(frozen=True)
class Crowd:
    """Votes with what they were made from: `behaviour` of each annotator 0, 1, …; `lead` of each pair, in log-odds, of
    its first answer; `sources` of its two answers, and their `strengths`."""

    votes: Votes
    behaviour: np.ndarray
    lead: np.ndarray
    sources: np.ndarray
    strengths: np.ndarray

    def compute_chance(self):
        """For each vote, what the strengths of the sources, fitted to all votes, say of its pair's first answer."""
        from analyze.maths.strengths import fit_strengths

        first, second = self.sources[self.votes.pair].T
        won = self.votes.vote >= 0
        fitted = fit_strengths(np.where(won, first, second), np.where(won, second, first), np.abs(self.votes.vote))
        return fitted.compute_chance(first, second)


def draw_choices(rng, truth, n, tie=None):
    """Columns of n choices between random pairs of sources of these strengths, by Davidson's model."""
    first = rng.integers(0, len(truth), n)
    second = (first + rng.integers(1, len(truth), n)) % len(truth)
    lead = truth[first] - truth[second]
    odds = np.stack([np.exp(lead / 2), np.full(n, 0.0 if tie is None else np.exp(tie)), np.exp(-lead / 2)])
    outcome = (rng.random(n) > np.cumsum(odds / odds.sum(0), axis=0)).sum(0)
    lost = outcome == 2
    return np.where(lost, second, first), np.where(lost, first, second), (outcome != 1).astype(int)


def draw_crowd(
    seed, behaviour, *, judgments=50, overlap=3, gold=0.1, repeats=0.1, ties=0.15, spread=2.3, sources=4, skill=0.25
):
    """A Crowd where each person gives so many judgments. An honest person says what the lead of the pair suggests, by
    the logistic; people differ in skill (the standard deviation of its log) and a little in their tastes. With the
    defaults two honest people agree on 73 of 100 pairs where neither calls a tie, as the labelers of InstructGPT did
    (Ouyang et al. 2022)."""
    rng = np.random.default_rng(seed)
    behaviour = np.asarray(behaviour)
    people = len(behaviour)
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
    first = np.select([behaviour[annotator] == name for name in says], list(says.values()))
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
    return Crowd(votes, behaviour, lead, pair_sources, strengths)


def _deal_pairs(rng, people, judgments, overlap, gold, repeats):
    """(annotator, pair, again, is gold) of each judgment, in the order of each person: pairs go to `overlap` people,
    gold to all, repeats to somebody who had the pair before."""
    golds, agains = round(judgments * gold), round(judgments * repeats)
    own = judgments - golds - agains
    drawn = rng.permutation(np.repeat(np.arange(-(-people * own // overlap)), overlap)[: people * own])
    rows = []
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
    """Choices between made-up texts whose words are worth something; `is_flipped` where the label was turned."""

    chosen: list
    rejected: list
    prompt: np.ndarray
    is_flipped: np.ndarray


def draw_essays(seed, choices, *, flipped=0.0, vocabulary=400, length=40, sharpness=0.9, letters="latin"):
    """Essays where the text that is worth more is chosen with about `sharpness`, by the logistic of the difference;
    then some labels are flipped. In Chinese letters each word is two letters, without blanks."""
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


def _find_spread(wanted):
    """How widely leads must be spread for the better one to be chosen so often on average."""
    sizes = np.abs(np.random.default_rng(0).standard_normal(4000))
    spreads = np.linspace(0.1, 30, 300)
    accuracies = [(1 / (1 + np.exp(-sizes * spread))).mean() for spread in spreads]
    return spreads[int(np.argmin(np.abs(np.array(accuracies) - wanted)))]


def simulate_asking(truth, judgments, *, seed=0, at_once=20, choose=None):
    """(correlation of ranks after each batch, judgments until then) when pairs of sources of these strengths are
    judged: drawn at random, or by `choose(first, second, strengths, n)`; where that returns none, nothing more is."""
    from scipy.stats import spearmanr

    from analyze.maths.strengths import fit_strengths

    rng = np.random.default_rng(seed)
    size = len(truth)
    pairs = np.array([(a, b) for a in range(size) for b in range(a + 1, size)])
    chosen, rejected, fitted = np.zeros(0, int), np.zeros(0, int), None
    correlations, counts = [], []
    while len(chosen) < judgments:
        batch = pairs[rng.integers(0, len(pairs), at_once)]
        if fitted is None:  # so that every source is known from the start
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


def estimate_judgments_needed(choose, *, sources, spread, judgments, seeds, at_once=20):
    """(judgments at random, judgments chosen) for the same correlation of ranks: that which random asking reaches on
    average over seeds with three quarters of `judgments`."""
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


def choose_pairs(first, second, strengths, n):
    """The places of the n pairs to ask next, a place as often as it is to be asked, none where nothing is open: those
    that are open, by their information gain, where each one chosen counts as judged for the next."""
    first, second = np.asarray(first), np.asarray(second)
    is_open = is_worth_asking(first, second, strengths)
    chosen = []
    while is_open.any() and len(chosen) < n:
        gain = np.where(is_open, compute_information_gain(first, second, strengths), -1)
        chosen.append(int(gain.argmax()))
        if strengths.component[first[chosen[-1]]] != strengths.component[second[chosen[-1]]]:
            is_open[chosen[-1]] = False  # how much more it would tell is not known before it is judged
        strengths = add_judgment(first[chosen[-1]], second[chosen[-1]], strengths)
    return np.array(chosen, int)


def add_judgment(first, second, strengths):
    """The strengths as sure as they are after one more judgment of a pair, whatever it says (Sherman and Morrison
    1950)."""
    lead, error = compute_leads([first], [second], strengths)
    pull = strengths.covariance[:, first] - strengths.covariance[:, second]
    weight = compute_variance(lead[0])
    smaller = strengths.covariance - np.outer(pull, pull) * weight / (1 + weight * error[0] ** 2)
    return replace(strengths, covariance=smaller)

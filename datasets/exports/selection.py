"""Which votes go into an export, and what each pair comes to: by majority, judgment by judgment, or with its votes."""

from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import groupby
from typing import NamedTuple

MAJORITY, EVERY, SOFT = "majority", "every", "soft"
ALL, ADJACENT, BEST_REST, BEST_WORST = "all", "adjacent", "best-rest", "best-worst"
UNFLAGGED = "without"
UNPAUSED = "without"
VOTES, FIRST, ONLY = "votes", "first", "only"


@dataclass(frozen=True)
class Filters:
    """What goes into an export.

    mode: one row per pair as most people chose it (MAJORITY), the same with its votes counted (SOFT), or one row per
    judgment (EVERY). min_agreement: share of a pair's votes (ties among them) for the winner, 0 to 1, of MAJORITY and
    SOFT. min_votes: how many people must have judged a pair. criterion: "" is in all. ranks: which of the choices that
    a ranking leaves, see `pick_by_rank`. tags: prompts that have any of these. flags: UNFLAGGED leaves out what anybody
    flagged. paused: UNPAUSED leaves out what people said who are paused now. balanced: as many pairs whose chosen
    answer is the shorter as such where it is the longer. decisions: of reviewers; VOTES knows nothing of them, FIRST
    takes them in place of the votes where there are some, ONLY takes nothing else.
    """

    mode: str = MAJORITY
    min_agreement: float = 0.0
    annotators: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    min_strength: int = 1
    criterion: str = ""
    ranks: str = ALL
    min_votes: int = 1
    tags: tuple[str, ...] = ()
    flags: str = ""
    paused: str = ""
    balanced: bool = False
    decisions: str = VOTES


class Vote(NamedTuple):
    """One choice of one judgment by the criterion asked for; `chosen` is None where it states none. verdict: what was
    said by the criterion. gap: how many places apart the two stand in a ranking, None outside of one. decides: it is a
    reviewer's decision on its comparison. Known where a filter asks for it: who said it, when, whether the comparison
    was flagged, whether whoever said it is paused."""

    judgment: int
    verdict: str
    chosen: int | None
    rejected: int | None
    strength: int | None
    gap: int | None
    comparison: int = 0
    decides: bool = False
    annotator: str = ""
    at: datetime | None = None
    flagged: bool = False
    paused: bool = False

    @property
    def choice(self):
        return self.chosen, self.rejected, self.strength, self.gap


class Pair(NamedTuple):
    """What goes out of the votes on two answers (ids). times: for how many choices it stands; strength: the mean of
    all votes, those for the other below zero, at least 0; votes: (for the winner, in all)."""

    chosen: int
    rejected: int
    times: int
    strength: float
    votes: tuple[int, int]


class VoteSelector:
    """Takes the votes of one prompt after the other; what does not go in is counted in `left_out`. alike, unlike: how
    many two votes on one pair say the same, or the opposite; ties aside."""

    def __init__(self, filters, left_out=None):
        self.filters, self.left_out = filters, Counter() if left_out is None else left_out
        self.alike = self.unlike = 0
        where = filters.tags, filters.annotators, filters.since, filters.until, filters.flags, filters.paused
        self.asks_more = any(where)  # than what was said

    def pick_pairs(self, tags, votes):
        """[Pair] of one prompt: its tags, and the list of its votes by comparison and judgment."""
        return self.pick_from_one(tags, votes) if len(votes) == 1 else self.pick_from_several(tags, votes)

    def pick_from_one(self, tags, votes):
        """What `pick_from_several` gives for a single vote, the most frequent case, at a tenth of the time."""
        if not self.is_selected(votes[0], self.pick_ranked(votes), tags, ()):
            return []
        if not self.is_enough(votes):
            self.left_out["few_votes"] += 1
            return []
        return self.build_pairs(votes)

    def pick_from_several(self, tags, votes):
        selected = []
        decided = {vote.comparison for vote in votes if vote.decides and not self.find_filter_reason(vote, tags)}
        for _, stated in groupby(votes, key=lambda vote: vote.judgment):
            stated = list(stated)
            ranked = self.pick_ranked(stated)
            selected += [vote for vote in stated if self.is_selected(vote, ranked, tags, decided)]
        of_pairs = defaultdict(list)  # in whatever comparisons people saw a pair, in the order of its first vote
        for vote in selected:
            of_pairs[frozenset((vote.chosen, vote.rejected))].append(vote)
        of_pairs = {pair: self.prefer_decisions(votes) for pair, votes in of_pairs.items()}
        selected = [vote for votes in of_pairs.values() for vote in votes]
        for votes in of_pairs.values():
            if len(votes) > 1:
                self.compare(votes)
        enough = {id(vote) for votes in of_pairs.values() if self.is_enough(votes) for vote in votes}
        self.left_out["few_votes"] += len(selected) - len(enough)
        if self.filters.mode == EVERY:
            return self.build_pairs([vote for vote in selected if id(vote) in enough])
        return [
            pair for votes in of_pairs.values() if id(votes[0]) in enough for pair in self.iter_majority_pair(votes)
        ]

    def prefer_decisions(self, votes):
        """Those of the votes on a pair that count: what reviewers decided of it, in whatever comparison, else all."""
        deciding = [vote for vote in votes if vote.decides]
        self.left_out["decided"] += len(votes) - len(deciding) if deciding else 0
        return deciding or votes

    def is_enough(self, votes):
        """Whether as many people judged a pair as are asked for; a decision is enough."""
        return len(votes) >= self.filters.min_votes or votes[0].decides

    def compare(self, votes):
        times_chosen = Counter(vote.chosen for vote in votes if vote.strength)
        alike = sum(n * (n - 1) // 2 for n in times_chosen.values())
        self.alike += alike
        self.unlike += times_chosen.total() * (times_chosen.total() - 1) // 2 - alike

    def estimate_flip_rate(self):
        """How often a vote says the opposite of what is so, between 0 and 0.5; None where no two votes met.

        Of two votes that are each flipped with probability e, 2e(1-e) differ (Natarajan et al. 2013, "Learning with
        Noisy Labels", symmetric noise); solved for e.
        """
        if not self.alike + self.unlike:
            return None
        differ = min(0.5, self.unlike / (self.alike + self.unlike))
        return (1 - (1 - 2 * differ) ** 0.5) / 2

    def find_filter_reason(self, vote, tags):
        """Why the filters on prompts, people, dates and flags keep a vote out, or None."""
        if not self.asks_more:
            return None
        filters = self.filters
        if filters.tags and not set(filters.tags) & set(tags):
            return "tag"
        if filters.annotators and vote.annotator not in filters.annotators:
            return "annotator"
        if filters.paused == UNPAUSED and vote.paused:
            return "paused"
        if (filters.since and vote.at < filters.since) or (filters.until and vote.at >= filters.until):
            return "date"
        return "flagged" if filters.flags == UNFLAGGED and vote.flagged else None

    def pick_ranked(self, stated):
        """The choices of one judgment that `ranks` lets through; None is all."""
        ranks = self.filters.ranks
        return None if ranks == ALL else pick_by_rank([vote.choice for vote in stated], ranks)

    def is_selected(self, vote, ranked, tags, decided):
        """Whether the filters let this vote through. ranked: the choices of its judgment that `ranks` lets through;
        decided: the comparisons on which a decision stands that is asked for."""
        reason = (
            self.find_filter_reason(vote, tags)
            or self.find_decision_reason(vote, decided)
            or self.find_choice_reason(vote, ranked)
        )
        if reason:
            self.left_out[reason] += 1
        return reason is None

    def find_decision_reason(self, vote, decided):
        """Why a vote gives way to decisions, or None."""
        if vote.decides:
            return None
        if vote.comparison in decided:
            return "decided"
        return "undecided" if self.filters.decisions == ONLY else None

    def find_choice_reason(self, vote, ranked):
        """Why what a vote says is not asked for, or None."""
        if vote.chosen is None:
            return "both_bad" if vote.verdict == "both_bad" else "no_choice"
        if ranked is not None and vote.choice not in ranked:
            return "rank_policy"
        return "weak" if 0 < vote.strength < self.filters.min_strength else None

    def build_pairs(self, votes):
        """A Pair for each of these votes that is no tie."""
        decided = [vote for vote in votes if vote.strength]
        if len(decided) < len(votes):
            self.left_out["tie"] += len(votes) - len(decided)
        return [Pair(vote.chosen, vote.rejected, 1, float(vote.strength), (1, 1)) for vote in decided]

    def iter_majority_pair(self, votes):
        """The pair as most people chose it; nothing where as many chose the one as the other."""
        times_chosen = Counter((vote.chosen, vote.rejected) for vote in votes if vote.strength)
        self.left_out["tie"] += len(votes) - times_chosen.total()
        if not times_chosen:
            return
        (winner, most), *others = times_chosen.most_common()
        against = sum(times for _, times in others)
        if most == against:
            self.left_out["split"] += most + against
        elif most / len(votes) < self.filters.min_agreement:
            self.left_out["low_agreement"] += most + against
        else:
            self.left_out["outvoted"] += against
            net = sum(vote.strength if (vote.chosen, vote.rejected) == winner else -vote.strength for vote in votes)
            yield Pair(*winner, most, max(0.0, net / len(votes)), (most, len(votes)))


def pick_by_rank(choices, policy):
    """Those of one judgment's choices (chosen, rejected, strength, gap) that a policy takes: of a ranking `all`; those
    of neighbours (`adjacent`); of the best over others (`best-rest`); of the best over the worst (`best-worst`).

    The best never lost to another in the ranking, the worst never won. Ties, and choices outside of a ranking, stay.
    """
    if policy == ALL:
        return set(choices)
    decided = [choice for choice in choices if choice[2] and choice[3] is not None]
    winners, losers = {choice[0] for choice in decided}, {choice[1] for choice in decided}
    takes = {
        ADJACENT: lambda chosen, rejected, gap: gap == 1,
        BEST_REST: lambda chosen, rejected, gap: chosen not in losers,
        BEST_WORST: lambda chosen, rejected, gap: chosen not in losers and rejected not in winners,
    }[policy]
    return {choice for choice in choices if choice not in decided or takes(choice[0], choice[1], choice[3])}


def compute_length_signs(fingerprint, texts):
    """[(sign, number)] of a prompt's pairs, given as (chosen text, rejected text): 1, 0 or -1 as the chosen answer is
    longer, as long or shorter, and a number drawn from the texts, of its own for each of several equal pairs."""
    seen, length_signs = Counter(), []
    for chosen, rejected in texts:
        seen[chosen, rejected] += 1
        drawn = sha256(f"{fingerprint}\0{chosen}\0{rejected}\0{seen[chosen, rejected]}".encode()).digest()
        sign = (len(chosen) > len(rejected)) - (len(chosen) < len(rejected))
        length_signs.append((sign, int.from_bytes(drawn[:8], "big")))
    return length_signs


class LengthBalance:
    """Keeps as many pairs whose chosen answer is shorter as such where it is longer, in each part of the data, and all
    that are equally long. Of the kind that there is more of, the lowest numbers stay: the same pairs each time.

    length_signs: (part, sign, number) of every pair that would go in, see `compute_length_signs`. Takes 8 bytes a pair.
    """

    def __init__(self, length_signs):
        numbers_of = defaultdict(lambda: {-1: array("Q"), 1: array("Q")})
        for part, sign, number in length_signs:
            if sign:
                numbers_of[part][sign].append(number)
        self.highest = {}
        for part, kinds in numbers_of.items():
            fewer = min(len(numbers) for numbers in kinds.values())
            for sign, numbers in kinds.items():
                self.highest[part, sign] = sorted(numbers)[fewer - 1] if fewer else -1

    def is_kept(self, part, sign, number):
        return not sign or number <= self.highest.get((part, sign), -1)

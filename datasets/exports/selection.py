"""Selection of the votes that enter an export, and their aggregation into pairs: by majority or one per judgment."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

MAJORITY, EVERY, SOFT = "majority", "every", "soft"
ALL, ADJACENT, BEST_REST, BEST_WORST = "all", "adjacent", "best-rest", "best-worst"
UNFLAGGED = "without"
UNPAUSED = "without"
VOTES, FIRST, ONLY = "votes", "first", "only"


@dataclass(frozen=True)
class Filters:
    """What enters an export.

    mode: MAJORITY, one row per pair, as the majority chose; SOFT, the same with the numbers of votes; EVERY, one row
        per judgment.
    min_agreement: least share of a pair's votes, ties included, for the winner; 0 to 1, for MAJORITY and SOFT.
    annotators: only votes of these people; empty for all.
    since, until: only votes made in this half-open interval.
    min_strength: least strength of a choice, 1 to 3; ties stay.
    criterion: "" for the overall choice.
    ranks: which choices of a ranking, see `pick_by_rank`.
    min_votes: least number of votes on a pair.
    tags: only prompts with any of these; empty for all.
    flags: UNFLAGGED leaves out comparisons that anybody flagged.
    paused: UNPAUSED leaves out votes of people who are paused now.
    balanced: as many pairs with the shorter answer chosen as with the longer one.
    decisions: of reviewers; VOTES ignores them, FIRST prefers them to votes where they exist, ONLY ignores votes.
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
    """One choice of one judgment, by the criterion of the export.

    judgment, comparison: ids.
    verdict: by the criterion.
    chosen, rejected, strength: None where the judgment states no choice; strength 0 is a tie.
    gap: places between the two in a ranking; None outside of one.
    margin: how much better the chosen response is, on the scale of a file; None where no file says so.
    decides: whether it is a reviewer's decision.
    annotator, at, flagged, paused: set only where a filter needs them. flagged: whether anybody flagged the comparison;
        paused: whether the annotator is paused.
    """

    judgment: int
    verdict: str
    chosen: int | None
    rejected: int | None
    strength: int | None
    gap: int | None
    comparison: int = 0
    margin: float | None = None
    decides: bool = False
    annotator: str = ""
    at: datetime | None = None
    flagged: bool = False
    paused: bool = False

    @property
    def choice(self) -> "RankedChoice":
        return self.chosen, self.rejected, self.strength, self.gap


RankedChoice = tuple[int | None, int | None, int | None, int | None]  # Vote.choice

if TYPE_CHECKING:

    class StatedVote(Vote):
        """A vote that states a choice."""

        chosen: int
        rejected: int
        strength: int


class Pair(NamedTuple):
    """A row to export: two responses (ids), aggregated from the votes on them.

    times: number of choices that it represents.
    strength: mean over all votes, votes for the rejected response negative; at least 0.
    votes: (for the chosen response, all).
    margin: mean over all votes like the strength, where each one that is not a tie has a margin; else None.
    """

    chosen: int
    rejected: int
    times: int
    strength: float
    votes: tuple[int, int]
    margin: float | None = None


class VoteSelector:
    """Selects and aggregates the votes of one prompt after another.

    left_out: counts votes that are left out, by reason.
    alike, unlike: number of pairs of votes on the same two responses that agree, or disagree; without ties.
    """

    def __init__(self, filters: Filters, left_out: Counter[str] | None = None) -> None:
        self.filters = filters
        self.left_out: Counter[str] = Counter() if left_out is None else left_out
        self.alike = self.unlike = 0
        where = filters.tags, filters.annotators, filters.since, filters.until, filters.flags, filters.paused
        self.asks_more = any(where)  # filters need more than the choices

    def pick_pairs(self, tags: Collection[str], votes: list[Vote]) -> list[Pair]:
        """Pairs of one prompt.

        tags: the prompt's.
        votes: on the prompt, sorted by comparison and judgment.
        """
        return self.pick_from_one(tags, votes) if len(votes) == 1 else self.pick_from_several(tags, votes)

    def pick_from_one(self, tags: Collection[str], votes: list[Vote]) -> list[Pair]:
        """Same as `pick_from_several`, for a single vote: the most frequent case, ten times as fast."""
        if not self.is_selected(votes[0], self.pick_ranked(votes), tags, ()):
            return []
        if not self.is_enough(votes):
            self.left_out["few_votes"] += 1
            return []
        return self.build_pairs(votes)  # type: ignore[arg-type]  # its only vote was checked above

    def pick_from_several(self, tags: Collection[str], votes: list[Vote]) -> list[Pair]:
        """Pairs of a prompt with any number of votes."""
        selected: list[StatedVote] = []
        decided = {vote.comparison for vote in votes if vote.decides and not self.find_filter_reason(vote, tags)}
        for _, group in groupby(votes, key=lambda vote: vote.judgment):
            stated = list(group)
            ranked = self.pick_ranked(stated)
            selected += [vote for vote in stated if self.is_selected(vote, ranked, tags, decided)]
        # Votes by pair, from all comparisons that showed it, in the order of its first vote
        votes_by_pair: dict[frozenset[int], list[StatedVote]] = defaultdict(list)
        for stated_vote in selected:
            votes_by_pair[frozenset((stated_vote.chosen, stated_vote.rejected))].append(stated_vote)
        of_pairs = [self.prefer_decisions(pair_votes) for pair_votes in votes_by_pair.values()]
        selected = [vote for pair_votes in of_pairs for vote in pair_votes]
        for pair_votes in of_pairs:
            if len(pair_votes) > 1:
                self.compare(pair_votes)
        enough = {id(vote) for pair_votes in of_pairs if self.is_enough(pair_votes) for vote in pair_votes}
        self.left_out["few_votes"] += len(selected) - len(enough)
        if self.filters.mode == EVERY:
            return self.build_pairs([vote for vote in selected if id(vote) in enough])
        return [
            pair
            for pair_votes in of_pairs
            if id(pair_votes[0]) in enough
            for pair in self.iter_majority_pair(pair_votes)
        ]

    def prefer_decisions(self, votes: "list[StatedVote]") -> "list[StatedVote]":
        """The votes on a pair that count: reviewers' decisions on it, from any comparison; without any, all votes."""
        deciding = [vote for vote in votes if vote.decides]
        self.left_out["decided"] += len(votes) - len(deciding) if deciding else 0
        return deciding or votes

    def is_enough(self, votes: Sequence[Vote]) -> bool:
        """Whether a pair has `min_votes` votes, or a decision."""
        return len(votes) >= self.filters.min_votes or votes[0].decides

    def compare(self, votes: "Sequence[StatedVote]") -> None:
        """Adds the votes on a pair to `alike` and `unlike`."""
        times_chosen = Counter(vote.chosen for vote in votes if vote.strength)
        alike = sum(n * (n - 1) // 2 for n in times_chosen.values())
        self.alike += alike
        self.unlike += times_chosen.total() * (times_chosen.total() - 1) // 2 - alike

    def estimate_flip_rate(self) -> float | None:
        """Estimated probability that a vote is flipped, 0 to 0.5; None where no pair has two votes.

        Two votes that are each flipped with probability e differ with probability 2e(1-e) (symmetric noise; Natarajan
        et al. 2013, "Learning with Noisy Labels"). Solves this for e.
        """
        if not self.alike + self.unlike:
            return None
        differ = min(0.5, self.unlike / (self.alike + self.unlike))
        root: float = (1 - 2 * differ) ** 0.5
        return (1 - root) / 2

    def find_filter_reason(self, vote: Vote, tags: Collection[str]) -> str | None:
        """Why the filters on prompts, people, dates and flags leave a vote out, or None."""
        if not self.asks_more:
            return None
        filters = self.filters
        if filters.tags and not set(filters.tags) & set(tags):
            return "tag"
        if filters.annotators and vote.annotator not in filters.annotators:
            return "annotator"
        if filters.paused == UNPAUSED and vote.paused:
            return "paused"
        at: datetime = vote.at  # type: ignore[assignment]  # set where these filters need it
        if (filters.since and at < filters.since) or (filters.until and at >= filters.until):
            return "date"
        return "flagged" if filters.flags == UNFLAGGED and vote.flagged else None

    def pick_ranked(self, stated: Sequence[Vote]) -> set[RankedChoice] | None:
        """The choices of one judgment that the filter `ranks` selects; None for all."""
        ranks = self.filters.ranks
        return None if ranks == ALL else pick_by_rank([vote.choice for vote in stated], ranks)

    def is_selected(
        self, vote: Vote, ranked: set[RankedChoice] | None, tags: Collection[str], decided: Collection[int]
    ) -> "TypeGuard[StatedVote]":
        """Whether the filters select a vote; counts one that is left out.

        ranked: the choices of its judgment that the filter `ranks` selects; None for all.
        tags: the prompt's.
        decided: comparisons (ids) that have a decision which the filters select.
        """
        reason = (
            self.find_filter_reason(vote, tags)
            or self.find_decision_reason(vote, decided)
            or self.find_choice_reason(vote, ranked)
        )
        if reason:
            self.left_out[reason] += 1
        return reason is None

    def find_decision_reason(self, vote: Vote, decided: Collection[int]) -> str | None:
        """Why decisions leave a vote out, or None."""
        if vote.decides:
            return None
        if vote.comparison in decided:
            return "decided"
        return "undecided" if self.filters.decisions == ONLY else None

    def find_choice_reason(self, vote: Vote, ranked: set[RankedChoice] | None) -> str | None:
        """Why a vote's choice leaves it out, or None."""
        if vote.chosen is None:
            return "both_bad" if vote.verdict == "both_bad" else "no_choice"
        if ranked is not None and vote.choice not in ranked:
            return "rank_policy"
        return "weak" if 0 < vote.strength < self.filters.min_strength else None  # type: ignore[operator]  # not None

    def build_pairs(self, votes: "Sequence[StatedVote]") -> list[Pair]:
        """A Pair for each vote; counts and leaves out ties."""
        decided = [vote for vote in votes if vote.strength]
        if len(decided) < len(votes):
            self.left_out["tie"] += len(votes) - len(decided)
        return [Pair(vote.chosen, vote.rejected, 1, float(vote.strength), (1, 1), vote.margin) for vote in decided]

    def iter_majority_pair(self, votes: "Sequence[StatedVote]") -> Iterator[Pair]:
        """The pair as the majority chose it; nothing where the votes are split or agree too little."""
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
            yield Pair(*winner, most, max(0.0, net / len(votes)), (most, len(votes)), compute_margin(votes, winner))


def compute_margin(votes: "Sequence[StatedVote]", winner: tuple[int, int]) -> float | None:
    """The mean margin of the votes on a pair, at least 0; None if one of them has none. A tie counts as 0.

    winner: (chosen, rejected); margins of votes for the other one are negative.
    """
    total = 0.0
    for vote in votes:
        if vote.strength:
            if vote.margin is None:
                return None
            total += vote.margin if (vote.chosen, vote.rejected) == winner else -vote.margin
    return max(0.0, total / len(votes))


def pick_by_rank(choices: Sequence[RankedChoice], policy: str) -> set[RankedChoice]:
    """The choices of one judgment that a policy selects from a ranking.

    The best never lost in the ranking, the worst never won. Ties, and choices outside of a ranking, are always
    selected.

    choices: (chosen, rejected, strength, gap).
    policy: ALL; ADJACENT, between neighbours; BEST_REST, the best over the others; BEST_WORST, the best over the worst.
    """
    if policy == ALL:
        return set(choices)
    decided = [choice for choice in choices if choice[2] and choice[3] is not None]
    winners, losers = {choice[0] for choice in decided}, {choice[1] for choice in decided}
    takes: Callable[[int | None, int | None, int | None], bool] = {
        ADJACENT: lambda chosen, rejected, gap: gap == 1,
        BEST_REST: lambda chosen, rejected, gap: chosen not in losers,
        BEST_WORST: lambda chosen, rejected, gap: chosen not in losers and rejected not in winners,
    }[policy]
    return {choice for choice in choices if choice not in decided or takes(choice[0], choice[1], choice[3])}


def compute_length_signs(fingerprint: str, texts: Iterable[tuple[str, str]]) -> list[tuple[int, int]]:
    """[(sign, number)] of a prompt's pairs.

    The sign is 1, 0 or -1 where the chosen answer is longer, equally long or shorter; the number is a 64-bit hash of
    the texts, different for each of several equal pairs.

    >>> [sign for sign, _number in compute_length_signs("0f", [("yes", "no"), ("no", "yes")])]
    [1, -1]

    fingerprint: the prompt's.
    texts: (chosen, rejected).
    """
    seen: Counter[tuple[str, str]] = Counter()
    length_signs = []
    for chosen, rejected in texts:
        seen[chosen, rejected] += 1
        drawn = sha256(f"{fingerprint}\0{chosen}\0{rejected}\0{seen[chosen, rejected]}".encode()).digest()
        sign = (len(chosen) > len(rejected)) - (len(chosen) < len(rejected))
        length_signs.append((sign, int.from_bytes(drawn[:8], "big")))
    return length_signs


class LengthBalance:
    """Keeps as many pairs with the shorter answer chosen as with the longer one, in each part of the data.

    Keeps all pairs of equally long answers. Of the more frequent kind, keeps the lowest numbers, so that the selection
    is the same each time. Memory: 8 bytes per pair.

    length_signs: (part, sign, number) of every pair that the filters select, see `compute_length_signs`.
    """

    def __init__(self, length_signs: Iterable[tuple[str, int, int]]) -> None:
        numbers_of: dict[str, dict[int, array[int]]] = defaultdict(lambda: {-1: array("Q"), 1: array("Q")})
        for part, sign, number in length_signs:
            if sign:
                numbers_of[part][sign].append(number)
        self.highest: dict[tuple[str, int], int] = {}
        for part, kinds in numbers_of.items():
            fewer = min(len(numbers) for numbers in kinds.values())
            for sign, numbers in kinds.items():
                self.highest[part, sign] = sorted(numbers)[fewer - 1] if fewer else -1

    def is_kept(self, part: str, sign: int, number: int) -> bool:
        """Whether a pair stays."""
        return not sign or number <= self.highest.get((part, sign), -1)

"""Database -> rows -> stream. Each dialect's file, line by line, and the account of what is not in it.

An export takes what was said by one criterion, or in all (""). Its choices = rows + left out (with what was merged),
each with a reason; a vote that states no choice by it is counted once; SFT files add every demonstration.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, groupby

from django.db.models import FilteredRelation, Q

from datasets.formats import rows, writable
from datasets.formats.rows import LeftOut
from datasets.models import Judgment, Prompt, Response

MAJORITY, EVERY = "majority", "every"
ALL, ADJACENT, BEST_REST, BEST_WORST = "all", "adjacent", "best-rest", "best-worst"
PROMPTS_AT_ONCE = 100
HELD_BACK = 1000
# What Arrow's JSON reader takes for a timestamp when a whole column looks so: FORMATS.md section 2, rule 4.
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d(:?\d\d(:?\d\d)?)?(Z|[+-]\d\d(:?\d\d)?)?)?")


@dataclass(frozen=True)
class Filters:
    """What goes into an export. min_agreement: share of a pair's votes (ties among them) for the winner, 0 to 1.
    criterion: "" is in all. ranks: which of the choices that a ranking leaves, see `ranks_taken`."""

    mode: str = MAJORITY
    min_agreement: float = 0.0
    annotators: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    min_strength: int = 1
    criterion: str = ""
    ranks: str = ALL


@dataclass
class Export:
    """One run: iterate `lines()`, then read the account."""

    dataset: object
    format: str
    filters: Filters = Filters()
    rows: int = 0
    left_out: Counter = field(default_factory=Counter)
    warnings: Counter = field(default_factory=Counter)
    skips: int = 0
    flags: int = 0

    def __post_init__(self):
        self.digest = hashlib.sha256()

    def lines(self):
        """The file's lines as bytes. Memory holds a few prompts at a time."""
        skipped = self.dataset.judgments.filter(state=Judgment.State.SKIPPED)
        self.flags = skipped.exclude(flag="").count()
        self.skips = skipped.count() - self.flags
        for row in first_plain(self.written()):
            line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
            self.rows += 1
            self.digest.update(line)
            yield line

    def written(self):
        """The rows as the dialect writes them; what it does not take is counted."""
        module = writable()[self.format]
        states = preferences if module.WRITES is rows.Preference else demonstrations
        for prompt, responses, votes in voted_prompts(self.dataset, self.filters.criterion):
            for row, of_choices in states(prompt, responses, self.chosen(votes)):
                try:
                    written = module.write(told_apart(row))
                except LeftOut as reason:
                    self.left_out[reason.reason] += max(1, of_choices)
                    continue
                self.left_out["merged"] += max(0, of_choices - 1)
                self.warnings["looks_like_a_date"] += is_date_like(written)
                yield written

    def chosen(self, votes):
        """[(chosen, rejected, how many choices say so)] of one prompt's votes, under the filters and the mode."""
        kept = []
        for _, stated in groupby(votes, key=lambda vote: vote.judgment):
            stated = list(stated)
            taken = ranks_taken([vote.choice for vote in stated], self.filters.ranks)
            kept += [vote for vote in stated if self.kept(vote, taken)]
        return self.each(kept) if self.filters.mode == EVERY else self.by_majority(kept)

    def kept(self, vote, taken):
        """Whether the filters let this vote through. taken: the choices of its judgment that `ranks` lets through."""
        filters = self.filters
        reason = None
        if filters.annotators and vote.annotator not in filters.annotators:
            reason = "annotator"
        elif (filters.since and vote.at < filters.since) or (filters.until and vote.at >= filters.until):
            reason = "date"
        elif vote.chosen is None:
            reason = "both_bad" if vote.verdict == "both_bad" else "no_choice"
        elif vote.choice not in taken:
            reason = "rank_policy"
        elif 0 < vote.strength < filters.min_strength:
            reason = "weak"
        self.left_out.update([reason] if reason else [])
        return reason is None

    def each(self, votes):
        for vote in votes:
            if vote.strength:
                yield vote.chosen, vote.rejected, 1
            else:
                self.left_out["tie"] += 1

    def by_majority(self, votes):
        """Each pair as most people chose it, in whatever comparisons they saw it, in the order of its first vote."""
        pairs = defaultdict(list)
        for vote in votes:
            pairs[frozenset((vote.chosen, vote.rejected))].append(vote)
        for of_pair in pairs.values():
            yield from self.majority(of_pair)

    def majority(self, votes):
        """The pair as most people chose it; nothing where as many chose the one as the other."""
        said = Counter((vote.chosen, vote.rejected) for vote in votes if vote.strength)
        ties = len(votes) - said.total()
        self.left_out["tie"] += ties
        if not said:
            return
        (winner, most), *others = said.most_common()
        against = sum(times for _, times in others)
        if most == against:
            self.left_out["split"] += most + against
        elif most / len(votes) < self.filters.min_agreement:
            self.left_out["low_agreement"] += most + against
        else:
            self.left_out["outvoted"] += against
            yield *winner, most

    def account(self):
        """The contract's summary, less `seconds`; call it when all lines were taken."""
        return {
            "dataset": self.dataset.slug,
            "format": self.format,
            "rows": self.rows,
            "left_out": {reason: count for reason, count in sorted(self.left_out.items()) if count},
            "skips": self.skips,
            "flags": self.flags,
            "warnings": {warning: count for warning, count in self.warnings.items() if count},
            "sha256": self.digest.hexdigest(),
        }


@dataclass(frozen=True)
class Vote:
    """One choice of one judgment by the criterion asked for; `chosen` is None where it states none. gap: how many
    places apart the two stand in a ranking, None outside of one. verdict: what was said by the criterion."""

    judgment: int
    annotator: str
    at: datetime
    verdict: str
    chosen: int | None
    rejected: int | None
    strength: int | None
    gap: int | None

    @property
    def choice(self):
        return self.chosen, self.rejected, self.strength, self.gap


def ranks_taken(choices, policy):
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


def voted_prompts(dataset, criterion):
    """(rows.Prompt, {id: Response}, [Vote] by comparison and judgment) of every prompt."""
    last = 0
    prompts = Prompt.objects.visible().filter(dataset=dataset).order_by("pk")
    while some := list(prompts.filter(pk__gt=last)[:PROMPTS_AT_ONCE]):
        last = some[-1].pk
        found, responses = defaultdict(list), defaultdict(dict)
        for response in Response.objects.visible().filter(prompt__in=some).defer("html").order_by("pk"):
            responses[response.prompt_id][response.pk] = response
        for prompt, vote in votes_of(some, criterion):
            found[prompt].append(vote)
        for prompt in some:
            parts = rows.Prompt(
                prompt.instruction, prompt.input, prompt.system, tuple(tuple(turn) for turn in prompt.turns)
            )
            yield parts, responses[prompt.pk], found[prompt.pk]


def votes_of(prompts, criterion):
    """(prompt id, Vote) by comparison and judgment."""
    stated = FilteredRelation("choices", condition=Q(choices__criterion=criterion))
    votes = Judgment.objects.votes().filter(comparison__prompt__in=prompts).annotate(stated=stated)
    fields = votes.order_by("comparison", "pk", "stated__pk").values_list(
        "comparison__prompt",
        "said" if criterion else "verdict",
        "pk",
        "annotator__username",
        "imported_by",
        "decided_at",
        "stated__chosen",
        "stated__rejected",
        "stated__strength",
        "stated__rank_gap",
    )
    for prompt, said, pk, username, name, at, *choice in fields:
        verdict = verdict_by(criterion, said) if criterion else said
        yield prompt, Vote(pk, username or name, at, verdict, *choice)


def verdict_by(criterion, said):
    """The verdict that a judgment gives by a criterion; "" where it gives none."""
    return said.get("criteria", {}).get(criterion, {}).get("verdict", [""])[0]


def preferences(prompt, responses, chosen):
    """(rows.Preference, how many choices it stands for)"""
    for winner, loser, times in chosen:
        yield rows.Preference(prompt, responses[winner].text, responses[loser].text), times


def demonstrations(prompt, responses, chosen):
    """(rows.Demonstration, how many choices it stands for), once for each chosen answer and each demonstration."""
    times = Counter()
    for winner, _, count in chosen:
        times[winner] += count
    for pk, response in responses.items():
        if response.demonstration or times[pk]:
            yield rows.Demonstration(prompt, response.text), times[pk] + response.demonstration


def told_apart(row):
    """The row, unless its two answers differ in blanks only."""
    if isinstance(row, rows.Preference) and row.chosen.strip() == row.rejected.strip():
        raise LeftOut("same_answer")
    return row


def first_plain(written):
    """The rows, with one in front that holds no text that looks like a date: where all of a column's first texts do,
    a trainer's loader makes timestamps of them."""
    held = []
    for row in written:
        if not is_date_like(row) or len(held) >= HELD_BACK:
            yield from chain([row], held, written)
            return
        held.append(row)
    yield from held


def is_date_like(value):
    """Whether any text in a row looks like a date."""
    if isinstance(value, str):
        return bool(DATE.fullmatch(value))
    return any(is_date_like(part) for part in (value.values() if isinstance(value, dict) else value))

"""Reads the judgments of a dataset from the database as columns for the maths."""

import itertools
import json
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from django.db import connection
from django.db.models import FloatField, Func, QuerySet, TextField
from django.db.models.functions import Cast, Length

from analyze.maths.arrays import Column, Floats, Ints
from analyze.maths.strengths import Strengths, fit_strengths
from analyze.maths.votes import Votes
from datasets.judgments.listing import Person
from datasets.models import Choice, Dataset, Gold, Judgment, Prompt, Rating, Response

AT_ONCE = 5000  # rows fetched in one query
SAMPLE = 50_000  # choices whose texts are held in memory
VOTE_CODES = "qqqbbdbddd"  # of the arrays that DatasetColumns.build_vote fills
BOTH_BAD = 2  # an opinion, next to 1, -1 and 0
Purpose = Judgment.Purpose
PERSON_FIELDS = ("annotator", "annotator__username", "imported_by")
JUDGMENT_FIELDS = (
    "purpose",
    "seconds",
    "comparison",
    "comparison__words",
    *PERSON_FIELDS,
)


@dataclass(frozen=True)
class Choices:
    """The overall choices of votes. Arrays: (n,).

    person: an index into DatasetColumns.people, -1 for an anonymous vote.
    left: 1 if the chosen answer was on the left, -1 if on the right, 0 if unknown.
    day: days since 1970 (UTC); -1 for an imported vote.
    """

    judgment: Ints
    chosen: Ints
    rejected: Ints
    strength: Ints
    person: Ints
    prompt: Ints
    left: Ints
    day: Ints

    def __len__(self) -> int:
        return len(self.judgment)


class Answer(NamedTuple):
    """An answer without its text."""

    prompt: int
    source: str
    length: int  # characters


class Answers:
    """The answers of a dataset, without their texts, as columns by id. `answers[pk]` is one Answer.

    Arrays: (n,).
    """

    def __init__(self, ids: Ints, prompts: Ints, sources: Column, lengths: Ints) -> None:
        self.ids, self.prompts, self.sources, self.lengths = ids, prompts, sources, lengths

    def find(self, ids: Ints) -> Ints:
        """(m,): the places of these answers in the columns. Raises KeyError if one is not there."""
        places = np.searchsorted(self.ids, ids)
        if len(ids) and (places.max() >= len(self.ids) or (self.ids[places] != ids).any()):
            raise KeyError("an answer that is not there")
        return places

    def __contains__(self, pk: int) -> bool:
        place = np.searchsorted(self.ids, pk)
        return bool(place < len(self.ids) and self.ids[place] == pk)

    def __getitem__(self, pk: int) -> Answer:
        place = self.find(np.array([pk]))[0]
        return Answer(int(self.prompts[place]), self.sources[place], int(self.lengths[place]))


class Moment(Func):
    """A moment as seconds since the epoch: the database computes them in a tenth of the time of a datetime."""

    output_field = FloatField()
    template = {
        "sqlite": "ROUND((julianday(%(expressions)s) - 2440587.5) * 86400.0, 3)",
        "postgresql": "(EXTRACT(EPOCH FROM %(expressions)s)::double precision)",
    }[connection.vendor]


class Outcome(NamedTuple):
    """A judgment of two answers: 1, -1 or 0 for the first, the second, or a tie.

    when: seconds since the epoch. order: JSON.
    """

    when: float
    judgment: int
    first: int
    second: int
    vote: int
    order: str
    purpose: str  # from here on: JUDGMENT_FIELDS
    seconds: float | None
    comparison: int
    words: int
    account: int | None
    username: str | None
    imported_by: str


class Opinions(NamedTuple):
    """Votes as agreement takes them. Arrays: (n,).

    person: an index into DatasetColumns.people; each anonymous vote has a negative code to itself.
    opinion: 1 or -1 for the first or the second answer, 0 for a tie, BOTH_BAD.
    strength: signed, negative for the second answer; 0 for BOTH_BAD.
    day: days since 1970 (UTC); -1 for an imported vote.
    """

    pair: Ints
    person: Ints
    opinion: Ints
    strength: Ints
    day: Ints


class DatasetColumns:
    """The columns of one dataset, each read on first use.

    most: lines per list in a report, None for no limit.
    """

    def __init__(self, dataset: Dataset, most: int | None = 1000) -> None:
        self.dataset, self.most = dataset, most
        self.weights: Floats | None = None  # (choices,), for the strengths of sources; None weighs all alike
        self.people: list[Person] = []
        self.cache: dict[str, Any] = {}  # results that several parts of a report share
        self.pairs: Ints = np.zeros((0, 2), np.int64)  # the two answers of each pair in `votes`
        self._places: dict[int | str, int] = {}

    def code_person(self, account: int | None, username: str | None, imported_by: str) -> int:
        """The index of a person in `people`, appended if new; -1 for an anonymous vote."""
        if not account and not imported_by:
            return -1
        key = account or imported_by
        if key not in self._places:
            self._places[key] = len(self.people)
            self.people.append(Person.build(account, username, imported_by))
        return self._places[key]

    @cached_property
    def choices(self) -> Choices:
        rows = (
            Choice.objects.of_votes()
            .filter(judgment__dataset=self.dataset, criterion="")
            .order_by("judgment", "pk")
            .annotate(shown=Cast("judgment__order", TextField()), when=Moment("judgment__decided_at"))
            .values_list("judgment", "chosen", "rejected", "strength", "shown", "when", "judgment__annotator",
                         "judgment__annotator__username", "judgment__imported_by")
        )  # fmt: skip
        columns = [array("q") for _ in range(7)]
        for judgment, chosen, rejected, strength, shown, when, account, username, imported_by in rows.iterator(AT_ONCE):
            left = compute_side(chosen, rejected, json.loads(shown)) if account else 0
            person = self.code_person(account, username, imported_by)
            row = (judgment, chosen, rejected, strength, person, left, count_days(when) if account else -1)
            for column, value in zip(columns, row, strict=True):
                column.append(value)
        made: list[Ints] = [np.array(column, np.int64) for column in columns]
        prompts = self.responses.prompts[self.responses.find(made[1])]
        return Choices(made[0], made[1], made[2], made[3], made[4], prompts, made[5], made[6])

    @cached_property
    def responses(self) -> Answers:
        """The visible answers."""
        visible = Response.objects.visible().filter(prompt__dataset=self.dataset).order_by("pk")
        rows = visible.annotate(length=Length("text")).values_list("pk", "prompt", "source", "length")
        ids, prompts, lengths, sources = array("q"), array("q"), array("q"), list[str]()
        for pk, prompt, source, length in rows.iterator(AT_ONCE):
            ids.append(pk)
            prompts.append(prompt)
            sources.append(sys.intern(source))
            lengths.append(length)
        numbers = [np.array(column, np.int64) for column in (ids, prompts, lengths)]
        return Answers(numbers[0], numbers[1], np.array(sources, object), numbers[2])

    def get_sources(self, ids: Ints) -> Column:
        """(n,): the source of each answer."""
        return self.responses.sources[self.responses.find(ids)]

    def get_lengths(self, ids: Ints) -> Ints:
        """(n,): the length of each answer, in characters."""
        return self.responses.lengths[self.responses.find(ids)]

    def fetch_texts(self, ids: Iterable[int]) -> dict[int, str]:
        """{id: text} of these answers, by id."""
        texts: dict[int, str] = {}
        sorted_ids = sorted(set(ids))
        for start in range(0, len(sorted_ids), AT_ONCE):
            answers = Response.objects.filter(pk__in=sorted_ids[start : start + AT_ONCE])
            texts.update(answers.values_list("pk", "text"))
        return texts

    def fetch_prompts(self, ids: Iterable[int]) -> dict[int, str]:
        """{id: instruction} of these prompts."""
        return dict(Prompt.objects.filter(pk__in=set(ids)).values_list("pk", "instruction"))

    @cached_property
    def stars(self) -> dict[tuple[int, int], int]:
        """{(judgment, response): overall stars} of the votes that give stars."""
        rows = Rating.objects.filter(judgment__in=Judgment.objects.votes().filter(dataset=self.dataset), criterion="")
        ratings = rows.order_by().values_list("judgment", "response", "stars")
        return {(judgment, response): stars for judgment, response, stars in ratings.iterator(AT_ONCE)}

    @cached_property
    def strengths(self) -> Strengths | None:
        """The Strengths of the sources; None if no two were compared."""
        sources = self.get_sources(self.choices.chosen), self.get_sources(self.choices.rejected)
        if not (sources[0] != sources[1]).any():
            return None
        return fit_strengths(*sources, self.choices.strength, weights=self.weights, clusters=self.choices.prompt)

    @cached_property
    def sample(self) -> Ints:
        """Indices of the choices whose texts are read: all, or a fixed random SAMPLE."""
        n = len(self.choices)
        if n <= SAMPLE:
            return np.arange(n)
        return np.sort(np.random.default_rng(0).choice(n, SAMPLE, replace=False))

    @cached_property
    def sampled_texts(self) -> dict[int, str]:
        """{id: text} of the answers in the sample."""
        rows = self.sample
        return self.fetch_texts([*self.choices.chosen[rows].tolist(), *self.choices.rejected[rows].tolist()])

    @cached_property
    def votes(self) -> Votes:
        """The Votes from the queue, oldest first: votes, gold questions and repeats. Both bad counts as a tie.

        Also sets `pairs`, the answers of each pair.
        """
        gold = {answer.comparison_id: answer for answer in Gold.objects.filter(dataset=self.dataset)}
        columns: list[array[Any]] = [array(code) for code in VOTE_CODES]
        for outcome in itertools.chain(self.iter_choice_votes(), self.iter_both_bad()):
            for column, value in zip(columns, self.build_vote(outcome, gold), strict=True):
                column.append(value)
        arrays: list[Any] = [np.array(column, np.float64 if column.typecode == "d" else np.int64) for column in columns]
        oldest_first = np.argsort(arrays[-3], kind="stable")
        person, first, second, vote, left, known, again, when, seconds, words = (
            column[oldest_first] for column in arrays
        )
        longer = np.sign(self.get_lengths(first) - self.get_lengths(second))
        pair, self.pairs = code_pairs(first, second)
        return Votes(person, pair, vote, left, longer, known, again.astype(bool), when, seconds, words)

    def list_judgments(self) -> QuerySet[Judgment]:
        """The standing judgments from the queue that have an annotator."""
        standing = Judgment.objects.visible().filter(dataset=self.dataset, state__in=Judgment.STANDING)
        named = standing.exclude(annotator=None, imported_by="")
        return named.filter(purpose__in=Judgment.WORK, decided_at__isnull=False).order_by()

    def iter_choice_votes(self) -> Iterator[Outcome]:
        """The Outcome of each overall choice."""
        choices = Choice.objects.filter(judgment__in=self.list_judgments(), criterion="").order_by()
        choices = choices.annotate(shown=Cast("judgment__order", TextField()), when=Moment("judgment__decided_at"))
        acts = [f"judgment__{name}" for name in JUDGMENT_FIELDS]
        rows = choices.values_list("when", "judgment", "chosen", "rejected", "strength", "shown", *acts)
        for when, judgment, chosen, rejected, strength, shown, *act in rows.iterator(AT_ONCE):
            first, second = (chosen, rejected) if chosen < rejected else (rejected, chosen)
            yield Outcome(
                when, judgment, first, second, 0 if not strength else 1 if chosen == first else -1, shown, *act
            )

    def iter_both_bad(self) -> Iterator[Outcome]:
        """The Outcome of each verdict "both bad" on two answers."""
        bad = self.list_judgments().filter(verdict="both_bad")
        bad = bad.annotate(shown=Cast("order", TextField()), when=Moment("decided_at"))
        for when, judgment, shown, *act in bad.values_list("when", "pk", "shown", *JUDGMENT_FIELDS).iterator(AT_ONCE):
            if len(order := json.loads(shown)) == 2:
                first, second = sorted(order)
                yield Outcome(when, judgment, first, second, 0, shown, *act)

    def build_vote(self, row: Outcome, gold: Mapping[int, Gold]) -> tuple[float, ...]:
        """person, first, second, vote, left, known, again, when, seconds, words of an outcome, see Votes.

        gold: {comparison: its gold answer}.
        """
        first, second = row.first, row.second
        is_gold = row.purpose == Purpose.GOLD
        return (
            self.code_person(row.account, row.username, row.imported_by),
            first,
            second,
            row.vote,
            compute_side(first, second, json.loads(row.order)) if row.account else 0,
            find_known_vote(gold.get(row.comparison), first, second) if is_gold else np.nan,
            row.purpose == Purpose.REPEAT,
            row.when,
            np.nan if row.seconds is None else row.seconds,
            row.words or np.nan,
        )

    @cached_property
    def opinions(self) -> Opinions:
        """The Opinions of votes, without gold questions and repeats."""
        choices = self.choices
        sign = np.where(choices.chosen < choices.rejected, 1, -1)
        columns = [
            np.minimum(choices.chosen, choices.rejected),
            np.maximum(choices.chosen, choices.rejected),
            choices.person,
            sign * (choices.strength > 0),
            sign * choices.strength,
            choices.day,
        ]
        both_bad = list(self.iter_both_bad_opinions())
        if both_bad:
            more = np.array(both_bad, np.int64).T
            columns = [np.concatenate(pair) for pair in zip(columns, more, strict=True)]
        first, second, person, opinion, strength, day = columns
        is_anonymous = person < 0
        person = np.where(is_anonymous, np.negative(np.cumsum(is_anonymous)), person)
        return Opinions(code_pairs(first, second)[0], person, opinion, strength, day)

    def iter_both_bad_opinions(self) -> Iterator[tuple[int, ...]]:
        """(first, second, person, opinion, strength, day) of each vote "both bad" on two answers."""
        votes = Judgment.objects.votes().filter(dataset=self.dataset, verdict="both_bad").order_by()
        rows = votes.annotate(when=Moment("decided_at")).values_list("order", "when", *PERSON_FIELDS)
        for order, when, account, username, imported_by in rows.iterator(AT_ONCE):
            if len(order) == 2:
                person = self.code_person(account, username, imported_by)
                yield (*sorted(order), person, BOTH_BAD, 0, count_days(when) if account else -1)


def code_pairs(first: Ints, second: Ints) -> tuple[Ints, Ints]:
    """(codes, pairs): pairs of answers as numbers, (n,), and the two answers of each number, (different pairs, 2)."""
    order = np.lexsort((second, first))
    sorted_first, sorted_second = first[order], second[order]
    is_new = np.ones(len(order), bool)
    is_new[1:] = (sorted_first[1:] != sorted_first[:-1]) | (sorted_second[1:] != sorted_second[:-1])
    codes = np.empty(len(order), np.int64)
    codes[order] = np.cumsum(is_new) - 1
    return codes, np.stack([sorted_first[is_new], sorted_second[is_new]], axis=1)


def count_days(moment: float | None) -> int:
    """Days since 1970 (UTC); -1 without a moment, in seconds since the epoch."""
    return -1 if moment is None else int(moment // 86400)


def compute_side(first: int, second: int, order: Sequence[int]) -> int:
    """1 if the first answer was left of the second, -1 if right of it, 0 if unknown.

    order: ids of the answers from left to right.
    """
    if first not in order or second not in order:
        return 0
    return 1 if order.index(first) < order.index(second) else -1


def find_known_vote(gold: Gold | None, first: int, second: int) -> float:
    """The right vote on two answers: 1, -1, 0, or NaN if unknown."""
    if gold is None or gold.verdict == "both_bad":
        return np.nan
    if gold.verdict == "tie":
        return 0
    return 1 if [first, second] in gold.choices else -1 if [second, first] in gold.choices else np.nan

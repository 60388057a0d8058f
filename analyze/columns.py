"""Database -> columns: what people said of a dataset, as the maths takes it."""

from array import array
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from django.db.models.functions import Length

from analyze.maths.strengths import fit_strengths
from analyze.maths.votes import Votes
from datasets.judgments.listing import Person
from datasets.models import Choice, Gold, Judgment, Prompt, Rating, Response

AT_ONCE = 5000
SAMPLE = 50_000  # choices whose texts are held in memory
BOTH_BAD = 2  # as a value of agreement, beside 1, -1 and 0
Purpose = Judgment.Purpose
PERSON_FIELDS = ("annotator", "annotator__username", "imported_by")
JUDGMENT_FIELDS = (
    "purpose",
    "order",
    "seconds",
    "comparison",
    "comparison__words",
    *PERSON_FIELDS,
)  # what is read of a judgment


@dataclass(frozen=True)
class Choices:
    """A row for each choice in all that votes state. `left`: 1 where the chosen answer stood on the left, -1 where on
    the right, 0 where nobody knows. `person`: a place in DatasetColumns.people, -1 for votes of nobody in
    particular."""

    judgment: np.ndarray
    chosen: np.ndarray
    rejected: np.ndarray
    strength: np.ndarray
    person: np.ndarray
    prompt: np.ndarray
    left: np.ndarray

    def __len__(self):
        return len(self.judgment)


class Answer(NamedTuple):
    """What is known of an answer without its text. length: characters."""

    prompt: int
    source: str
    length: int


class DatasetColumns:
    """The columns of one dataset, each read when it is first asked for. most: how many lines lists have at most, None
    for all. weights: what each choice weighs where sources are told apart, None for all alike."""

    def __init__(self, dataset, most=1000):
        self.dataset, self.most, self.weights = dataset, most, None
        self.people = []  # [listing.Person]
        self.cache = {}  # what one part of a report found and another needs too
        self._places = {}

    def code_person(self, account, username, imported_by):
        """The place of a person among `people`; -1 for nobody in particular."""
        if not account and not imported_by:
            return -1
        key = account or imported_by
        if key not in self._places:
            self._places[key] = len(self.people)
            self.people.append(Person.build(account, username, imported_by))
        return self._places[key]

    @cached_property
    def choices(self):
        rows = (
            Choice.objects.of_votes()
            .filter(judgment__dataset=self.dataset, criterion="")
            .order_by("judgment", "pk")
            .values_list("judgment", "chosen", "rejected", "strength", "chosen__prompt", "judgment__order",
                         "judgment__annotator", "judgment__annotator__username", "judgment__imported_by")
        )  # fmt: skip
        columns = [array("q") for _ in range(7)]
        for judgment, chosen, rejected, strength, prompt, order, *who in rows.iterator(AT_ONCE):
            left = compute_side(chosen, rejected, order) if who[0] else 0
            row = (judgment, chosen, rejected, strength, self.code_person(*who), prompt, left)
            for column, value in zip(columns, row, strict=True):
                column.append(value)
        return Choices(*(np.array(column, np.int64) for column in columns))

    @cached_property
    def responses(self):
        """{id: Answer} of the answers that were judged or may be."""
        visible = Response.objects.visible().filter(prompt__dataset=self.dataset).order_by()
        rows = visible.annotate(length=Length("text")).values_list("pk", "prompt", "source", "length")
        return {pk: Answer(*rest) for pk, *rest in rows.iterator(AT_ONCE)}

    def get_sources(self, ids):
        return np.array([self.responses[pk].source for pk in ids.tolist()], object)

    def get_lengths(self, ids):
        return np.array([self.responses[pk].length for pk in ids.tolist()], np.int64)

    def fetch_texts(self, ids):
        """{id: text} of these answers."""
        texts, ids = {}, sorted(set(ids))
        for start in range(0, len(ids), AT_ONCE):
            answers = Response.objects.filter(pk__in=ids[start : start + AT_ONCE])
            texts.update(answers.values_list("pk", "text"))
        return texts

    def fetch_prompts(self, ids):
        """{id: instruction} of these prompts."""
        return dict(Prompt.objects.filter(pk__in=set(ids)).values_list("pk", "instruction"))

    @cached_property
    def stars(self):
        """{(judgment, response): stars in all} of votes that give some."""
        rows = Rating.objects.filter(judgment__in=Judgment.objects.votes().filter(dataset=self.dataset), criterion="")
        ratings = rows.order_by().values_list("judgment", "response", "stars")
        return {(judgment, response): stars for judgment, response, stars in ratings.iterator(AT_ONCE)}

    @cached_property
    def strengths(self):
        """The Strengths of the sources; None where no two were compared."""
        sources = self.get_sources(self.choices.chosen), self.get_sources(self.choices.rejected)
        if not (sources[0] != sources[1]).any():
            return None
        return fit_strengths(*sources, self.choices.strength, weights=self.weights, clusters=self.choices.prompt)

    @cached_property
    def sample(self):
        """Places of the choices whose texts are looked at: all, or SAMPLE of them, drawn the same each time."""
        n = len(self.choices)
        if n <= SAMPLE:
            return np.arange(n)
        return np.sort(np.random.default_rng(0).choice(n, SAMPLE, replace=False))

    @cached_property
    def sampled_texts(self):
        """{id: text} of the answers in those choices."""
        rows = self.sample
        return self.fetch_texts([*self.choices.chosen[rows].tolist(), *self.choices.rejected[rows].tolist()])

    @cached_property
    def votes(self):
        """The Votes of people on pairs, of all that comes from the queue: votes, known answers and repeats, the oldest
        first. Both bad says of two answers what a tie says: neither is better."""
        gold = {answer.comparison_id: answer for answer in Gold.objects.filter(dataset=self.dataset)}
        outcomes = sorted((*self.iter_choice_votes(), *self.iter_both_bad()), key=lambda row: row[0])
        rows = [self.build_vote(row, gold) for row in outcomes]
        return Votes(*(np.array(column) for column in (zip(*rows, strict=True) if rows else [[]] * 10)))

    def list_judgments(self):
        """The judgments of people that say something of what the queue gave them."""
        standing = Judgment.objects.visible().filter(dataset=self.dataset, state__in=Judgment.STANDING)
        named = standing.exclude(annotator=None, imported_by="")
        return named.filter(purpose__in=Judgment.WORK, decided_at__isnull=False).order_by()

    def iter_choice_votes(self):
        """(when, judgment, first answer, second, vote, …) of each choice in all, see JUDGMENT_FIELDS."""
        choices = Choice.objects.filter(judgment__in=self.list_judgments(), criterion="").order_by()
        acts = [f"judgment__{name}" for name in JUDGMENT_FIELDS]
        rows = choices.values_list("judgment__decided_at", "judgment", "chosen", "rejected", "strength", *acts)
        for when, judgment, chosen, rejected, strength, *act in rows.iterator(AT_ONCE):
            first, second = sorted((chosen, rejected))
            yield when, judgment, first, second, 0 if not strength else 1 if chosen == first else -1, *act

    def iter_both_bad(self):
        """The same of each judgment that finds both of two answers bad."""
        rows = self.list_judgments().filter(verdict="both_bad").values_list("decided_at", "pk", *JUDGMENT_FIELDS)
        for when, judgment, *act in rows.iterator(AT_ONCE):
            if len(order := act[JUDGMENT_FIELDS.index("order")]) == 2:
                yield when, judgment, *sorted(order), 0, *act

    def build_vote(self, row, gold):
        """A row of Votes: person, pair, vote, left, longer, known, again, when, seconds, words."""
        when, _judgment, first, second, vote, purpose, order, seconds, comparison, words, *who = row
        lengths = [self.responses[pk].length for pk in (first, second)]
        return (
            self.code_person(*who),
            f"{first}-{second}",
            vote,
            compute_side(first, second, order) if who[0] else 0,
            int(np.sign(lengths[0] - lengths[1])),
            find_known_vote(gold.get(comparison), first, second) if purpose == Purpose.GOLD else np.nan,
            purpose == Purpose.REPEAT,
            when.timestamp(),
            np.nan if seconds is None else seconds,
            words or np.nan,
        )

    @cached_property
    def opinions(self):
        """(pair, person, opinion) of votes alone, for agreement: 1 or -1 for the first or the second answer, 0 for a
        tie, BOTH_BAD; and the strength of each, for the second or of none below 1. A vote of nobody in particular is
        somebody of its own."""
        statements, nobody = [], -1
        votes = Judgment.objects.votes().filter(dataset=self.dataset).order_by()
        choices = self.choices
        for n in range(len(choices)):
            first, second = sorted((int(choices.chosen[n]), int(choices.rejected[n])))
            sign = 1 if choices.chosen[n] == first else -1
            strength = int(choices.strength[n])
            statements.append((f"{first}-{second}", int(choices.person[n]), sign * bool(strength), sign * strength))
        rows = votes.filter(verdict="both_bad").values_list("order", *PERSON_FIELDS)
        for order, *who in rows.iterator(AT_ONCE):
            if len(order) == 2:
                first, second = sorted(order)
                statements.append((f"{first}-{second}", self.code_person(*who), BOTH_BAD, 0))
        for n, (pair, person, *rest) in enumerate(statements):
            if person < 0:
                statements[n] = (pair, nobody, *rest)
                nobody -= 1
        return tuple(np.array(column) for column in (zip(*statements, strict=True) if statements else [[]] * 4))


def compute_side(first, second, order):
    """1 where the one of two answers stood left of the other, -1 where right, 0 where nobody knows."""
    if first not in order or second not in order:
        return 0
    return 1 if order.index(first) < order.index(second) else -1


def find_known_vote(gold, first, second):
    """What is known of two answers, as a vote: 1, -1, 0, or NaN where nothing is."""
    if gold is None or gold.verdict == "both_bad":
        return np.nan
    if gold.verdict == "tie":
        return 0
    return 1 if [first, second] in gold.choices else -1 if [second, first] in gold.choices else np.nan

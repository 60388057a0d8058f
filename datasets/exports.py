"""Database -> rows -> stream. Each dialect's file, and the account of what is not in it.

An export takes what was said by one criterion, or in all (""). Its choices = rows + left out (with what was merged),
each with a reason; a vote that states no choice by it is counted once; SFT files add every demonstration. Of a file
with one answer a row and a label, each choice is two labels, and counts as two. A table of judgments counts judgments.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from django.db.models import Exists, F, FilteredRelation, OuterRef, Q, TextField
from django.db.models.functions import Cast, Coalesce

from datasets.choosing import SOFT, VOTES, Balance, Chooser, Filters, Vote, marks_of
from datasets.encoding import FILES
from datasets.formats import file_of, rows, writable
from datasets.formats.rows import LeftOut
from datasets.inserting import among
from datasets.models import Comparison, Judgment, Prompt, Response
from datasets.pausing import by_paused
from datasets.tables import judged

PROMPTS_AT_ONCE = 500
OF_PROMPTS = ("pk", "fingerprint", "system", "turns_json", "instruction", "input", "tags_json", "group")
OF_RESPONSES = ("prompt", "pk", "text", "source", "demonstration")
HELD_BACK = 1000
PLAIN, FULL = 1, 2
# What Arrow's JSON reader takes for a timestamp when a whole column looks so: FORMATS.md section 2, rule 4.
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d(:?\d\d(:?\d\d)?)?(Z|[+-]\d\d(:?\d\d)?)?)?")


class Asked(NamedTuple):
    """One prompt with its responses {id: response} and the pairs that go in; part: which part of the data it is in.
    prompt, response: rows with OF_PROMPTS, OF_RESPONSES."""

    prompt: tuple
    responses: dict
    pairs: list
    part: str = ""

    @property
    def row(self):
        turns = tuple(map(tuple, listed(self.prompt.turns_json)))
        return rows.Prompt(self.prompt.instruction, self.prompt.input, self.prompt.system, turns)


@dataclass
class Writer:
    """Writes prompts in one dialect, and counts what the dialect does not take. refused: called with (reason,
    prompt, answer or pair) of each such row."""

    name: str
    mode: str
    left_out: Counter = field(default_factory=Counter)
    warnings: Counter = field(default_factory=Counter)
    refused: object = None

    def __post_init__(self):
        self.module = writable()[self.name]
        self.states = STATES[self.module.WRITES]

    def written(self, asked):
        """The rows of one prompt, as the dialect writes them."""
        for row, times, votes in self.states(asked, self.left_out):
            try:
                written = self.module.write(told_apart(row))
            except LeftOut as reason:
                self.left_out[reason.reason] += max(1, times)
                if self.refused:
                    self.refused(reason.reason, row)
                continue
            self.left_out["merged"] += max(0, times - 1)
            self.warnings["looks_like_a_date"] += may_look_like_a_date(row) and is_date_like(written)
            if self.mode == SOFT and votes:
                written |= {"votes_chosen": votes[0], "votes_total": votes[1]}
            yield written

    def fitness(self, row):
        """How fit a row is to be a file's first, from which a trainer's loader takes the types: FULL, PLAIN where a
        list is empty, 0 where a text looks like a date."""
        if is_date_like(row):
            return 0
        return FULL if all(value != [] for value in row.values()) else PLAIN


@dataclass
class Export:
    """One run: iterate `lines()`, then read the account."""

    dataset: object
    format: str
    filters: Filters = field(default_factory=Filters)
    rows: int = 0
    skips: int = 0
    flags: int = 0
    left_out: Counter = field(default_factory=Counter)
    most: int | None = None  # only so many prompts, to look at

    def __post_init__(self):
        self.digest = hashlib.sha256()
        self.writer = Writer(self.format, self.filters.mode)

    def lines(self):
        """The file's bytes, a line (of Parquet: some thousand rows) at a time. Memory holds a few prompts at a time."""
        self.skips, self.flags = passed_over(self.dataset)
        written, columns = self.counted(self.written()), getattr(self.writer.module, "COLUMNS", ())
        for line in FILES[file_of(self.format)](written, columns):
            self.digest.update(line)
            yield line

    def counted(self, written):
        for row in written:
            self.rows += 1
            yield row

    def written(self):
        """The rows as the dialect writes them; what it does not take is counted."""
        if self.writer.module.WRITES is rows.Judged:
            return (row.columns for row in judged(self.dataset, self.filters, self.left_out))
        fills = self.writer.name in FILLS and Prompt.objects.filter(dataset=self.dataset).exclude(turns=[]).exists()
        return self.full_first() if fills else self.plain_first()

    def all_rows(self):
        for asked in prompts_asked(self.dataset, Chooser(self.filters, self.left_out), most=self.most):
            yield from self.writer.written(asked)

    def plain_first(self):
        """The rows, one whose texts do not look like dates in front."""
        return first_fit(self.all_rows(), self.writer.fitness)

    def full_first(self):
        """The rows, the first that fills every column in front, wherever it stands."""
        scout = Export(self.dataset, self.format, self.filters, most=self.most)
        found = ((n, row) for n, row in enumerate(scout.all_rows()) if self.writer.fitness(row) == FULL)
        n, lead = next(found, (None, None))
        if n is None:
            yield from self.plain_first()
            return
        yield lead
        for number, row in enumerate(self.all_rows()):
            if number != n:
                yield row

    def account(self):
        """The contract's summary, less `seconds`; call it when all lines were taken."""
        return {
            "dataset": self.dataset.slug,
            "format": self.format,
            "rows": self.rows,
            "left_out": reckoned(self.left_out, self.writer),
            "skips": self.skips,
            "flags": self.flags,
            "warnings": counted(self.writer.warnings),
            "sha256": self.digest.hexdigest(),
        }


FILLS = ("dpo-alpaca",)  # dialects with a list that may be empty


def reckoned(left_out, writer):
    """{reason: count} of what choosing and a writer left out; a choice is two labels where those are written."""
    each = 2 if writer.module.WRITES is rows.Label else 1
    return counted(Counter({reason: each * n for reason, n in left_out.items()}) + writer.left_out)


def counted(counter):
    return {name: n for name, n in sorted(counter.items()) if n}


def passed_over(dataset):
    """(skips, flags) of a dataset."""
    skipped = dataset.judgments.filter(state=Judgment.State.SKIPPED, purpose=Judgment.Purpose.VOTE)
    flags = skipped.exclude(flag="").count()
    return skipped.count() - flags, flags


def prompts_asked(dataset, chooser, part_of=lambda prompt: "", most=None):
    """Asked of every prompt (of the first so many), with the pairs that a Chooser lets through. part_of(prompt) tells
    which part of the data a prompt is in; each is balanced by itself."""
    found = chosen(dataset, chooser, part_of, most)
    if not chooser.filters.balanced:
        yield from found
        return
    balance = Balance(marks(chosen(dataset, Chooser(chooser.filters), part_of, most)))
    for asked in found:
        pairs = []
        for pair, mark in zip(asked.pairs, marks_of(asked.prompt.fingerprint, texts_of(asked)), strict=True):
            if balance.keeps(asked.part, *mark):
                pairs.append(pair)
            else:
                chooser.left_out["balance"] += pair.times
        yield asked._replace(pairs=pairs)


def marks(found):
    for asked in found:
        for mark in marks_of(asked.prompt.fingerprint, texts_of(asked)):
            yield asked.part, *mark


def texts_of(asked):
    return [(asked.responses[pair.chosen].text, asked.responses[pair.rejected].text) for pair in asked.pairs]


def chosen(dataset, chooser, part_of, most):
    """Asked of every prompt (of the first so many), before the balance."""
    last, left = 0, most
    lists = {f"{name}_json": Cast(name, TextField()) for name in ("turns", "tags")}  # most are empty
    prompts = Prompt.objects.visible_in(dataset).filter(dataset=dataset).annotate(**lists).order_by("pk")
    prompts = prompts.values_list(*OF_PROMPTS, named=True)
    all_responses = Response.objects.visible().order_by("pk").values_list(*OF_RESPONSES, named=True)
    while some := list(prompts.filter(pk__gt=last)[: PROMPTS_AT_ONCE if left is None else min(PROMPTS_AT_ONCE, left)]):
        last, left = some[-1].pk, None if left is None else left - len(some)
        found, responses = defaultdict(list), defaultdict(dict)
        ids = [prompt.pk for prompt in some]
        for response in all_responses.filter(among(Response, "prompt", ids)):
            responses[response.prompt][response.pk] = response
        for prompt, vote in votes_of(ids, chooser.filters):
            found[prompt].append(vote)
        for prompt in some:
            pairs = chooser.pairs(listed(prompt.tags_json), found[prompt.pk])
            yield Asked(prompt, responses[prompt.pk], pairs, part_of(prompt))


def listed(text):
    return json.loads(text) if text != "[]" else []


def votes_of(prompts, filters):
    """(prompt id, Vote) of the prompts with these ids, by comparison and judgment."""
    criterion, asked_for = filters.criterion, known_of(filters)
    stated = FilteredRelation("choices", condition=Q(choices__criterion=criterion))
    votes = Judgment.objects.votes()
    if filters.decisions != VOTES:
        votes = votes | Judgment.objects.decisions()
    votes = votes.filter(among(Comparison, "prompt", prompts)).annotate(stated=stated)
    fields = votes.order_by("comparison", "pk", "stated__pk").values_list(
        "comparison__prompt",
        "purpose",
        "pk",
        "said" if criterion else "verdict",
        "stated__chosen",
        "stated__rejected",
        "stated__strength",
        "stated__rank_gap",
        "comparison",
        *asked_for.values(),
    )
    for prompt, purpose, pk, verdict, chosen, rejected, strength, gap, comparison, *rest in fields:
        verdict = verdict_by(criterion, verdict) if criterion else verdict
        decides = purpose == Judgment.Purpose.DECISION
        known = dict(zip(asked_for, rest, strict=True)) if rest else {}
        yield prompt, Vote(pk, verdict, chosen, rejected, strength, gap, comparison, decides, **known)


def known_of(filters):
    """{what of a Vote the filters look at: where it stands}"""
    flagged = Exists(Judgment.objects.filter(comparison=OuterRef("comparison")).exclude(flag=""))
    known = {
        "annotator": (filters.annotators, Coalesce("annotator__username", "imported_by")),
        "at": (filters.since or filters.until, F("decided_at")),
        "flagged": (filters.flags, flagged),
        "paused": (filters.paused, by_paused()),
    }
    return {name: where for name, (is_asked, where) in known.items() if is_asked}


def verdict_by(criterion, said):
    """The verdict that a judgment gives by a criterion; "" where it gives none."""
    return said.get("criteria", {}).get(criterion, {}).get("verdict", [""])[0]


def preferences(asked, left_out):
    """(rows.Preference, how many choices it stands for, its votes)"""
    for pair in asked.pairs:
        winner, loser = asked.responses[pair.chosen].text, asked.responses[pair.rejected].text
        yield rows.Preference(asked.row, winner, loser, pair.strength), pair.times, pair.votes


def demonstrations(asked, left_out):
    """(rows.Demonstration, how many choices it stands for, None), once for each chosen answer and demonstration."""
    times = Counter()
    for pair in asked.pairs:
        times[pair.chosen] += pair.times
    for pk, response in asked.responses.items():
        if response.demonstration or times[pk]:
            yield rows.Demonstration(asked.row, response.text), times[pk] + response.demonstration, None


def labels(asked, left_out):
    """(rows.Label, how many labels it stands for, None), once for each text: wanted where it was chosen more often than
    rejected; left out where as often."""
    said = defaultdict(Counter)
    for pair in asked.pairs:
        said[asked.responses[pair.chosen].text][True] += pair.times
        said[asked.responses[pair.rejected].text][False] += pair.times
    for text, times in said.items():
        if times[True] == times[False]:
            left_out["split"] += times.total()
        else:
            left_out["outvoted"] += min(times[True], times[False])
            wanted = times[True] > times[False]
            yield rows.Label(asked.row, text, wanted), times[wanted], None


STATES = {rows.Preference: preferences, rows.Demonstration: demonstrations, rows.Label: labels, rows.Judged: None}


def told_apart(row):
    """The row, unless its two answers differ in blanks only."""
    if isinstance(row, rows.Preference) and row.chosen.strip() == row.rejected.strip():
        raise LeftOut("same_answer")
    return row


def first_fit(written, is_fit):
    """The rows, with one in front that may lead; of the first thousand."""
    held = []
    for row in written:
        if is_fit(row) or len(held) >= HELD_BACK:
            yield from chain([row], held, written)
            return
        held.append(row)
    yield from held


def may_look_like_a_date(row):
    """Whether any text of a row (Preference, Demonstration or Label) may begin as a date does, so that what is written
    of it has to be looked at."""
    prompt, *said = row
    texts = [prompt.instruction, prompt.input, prompt.system, *(text for _, text in prompt.turns), *said[:2]]
    return any(isinstance(text, str) and text[4:5] == "-" for text in texts)


def is_date_like(value):
    """Whether any text in a row looks like a date."""
    if isinstance(value, str):
        return value[:4].isdigit() and bool(DATE.fullmatch(value))
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(is_date_like, parts))

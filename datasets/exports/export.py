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

from django.db.models import (
    BooleanField,
    CharField,
    Exists,
    ExpressionWrapper,
    F,
    FilteredRelation,
    OuterRef,
    Q,
    TextField,
)
from django.db.models.functions import Cast, Coalesce

from datasets.db.bulk import among
from datasets.exports.judgment_table import judged
from datasets.exports.selection import SOFT, VOTES, Balance, Chooser, Filters, Vote, marks_of
from datasets.files.writers import FILES, defused_row, gathered
from datasets.formats import file_of, rows, writable
from datasets.formats.rows import LeftOut
from datasets.judgments.pauses import by_paused
from datasets.models import Comparison, Judgment, Prompt, Response

FIRST_PROMPTS, PROMPTS_AT_ONCE, CHARACTERS_AT_ONCE = 200, 1000, 4 << 20  # fewer prompts where answers are long
OF_PROMPTS = ("pk", "fingerprint", "system", "turns_json", "instruction", "input", "tags_json", "group")
# Whether it is one, as the database says it: 1 and 0, or true and false. To convert each would take its time.
AS_IT_IS = ExpressionWrapper(F("demonstration"), CharField())
OF_RESPONSES = ("prompt", "pk", "text", AS_IT_IS)
HELD_BACK = 1000
PLAIN, FULL = 1, 2
# What Arrow's JSON reader takes for a timestamp when a whole column looks so: FORMATS.md section 2, rule 4.
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d(:?\d\d(:?\d\d)?)?(Z|[+-]\d\d(:?\d\d)?)?)?")


class Asked(NamedTuple):
    """One prompt (a row with OF_PROMPTS) with the texts of its responses {id: text}, which of these are
    demonstrations, and the pairs that go in; part: which part of the data it is in."""

    prompt: tuple
    texts: dict
    demonstrations: list
    pairs: list
    part: str = ""

    @property
    def row(self):
        _, _, system, turns_json, instruction, given, *_ = self.prompt
        return rows.Prompt(instruction, given, system, tuple(map(tuple, listed(turns_json))))


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
            if times > 1:
                self.left_out["merged"] += times - 1
            if may_look_like_a_date(row) and is_date_like(written):
                self.warnings["looks_like_a_date"] += 1
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
    """One run: iterate `pieces()`, then read the account."""

    dataset: object
    format: str
    filters: Filters = field(default_factory=Filters)
    rows: int = 0
    skips: int = 0
    flags: int = 0
    left_out: Counter = field(default_factory=Counter)
    most: int | None = None  # only so many prompts, to look at
    for_spreadsheets: bool = False  # no cell of a CSV file is taken for a formula: some get an apostrophe

    def __post_init__(self):
        self.digest = hashlib.sha256()
        self.writer = Writer(self.format, self.filters.mode)

    def pieces(self):
        """The file's bytes, some rows at a time. Memory holds a few hundred prompts at a time."""
        self.skips, self.flags = passed_over(self.dataset)
        written, columns = self.counted(self.written()), getattr(self.writer.module, "COLUMNS", ())
        if self.for_spreadsheets and file_of(self.format) == "csv":
            written = map(defused_row, written)
        for piece in gathered(FILES[file_of(self.format)](written, columns)):
            self.digest.update(piece)
            yield piece

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
        """The contract's summary, less `seconds`; call it when all pieces were taken."""
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
    return [(asked.texts[pair.chosen], asked.texts[pair.rejected]) for pair in asked.pairs]


def chosen(dataset, chooser, part_of, most):
    """Asked of every prompt (of the first so many), before the balance."""
    last, left, many = 0, most, FIRST_PROMPTS
    lists = {f"{name}_json": Cast(name, TextField()) for name in ("turns", "tags")}  # most are empty
    prompts = Prompt.objects.visible_in(dataset).filter(dataset=dataset).annotate(**lists).order_by("pk")
    prompts = prompts.values_list(*OF_PROMPTS, named=True)
    all_responses = Response.objects.visible().order_by("pk").values_list(*OF_RESPONSES)
    votes_of = votes_by(chooser.filters)
    while some := list(prompts.filter(pk__gt=last)[: many if left is None else min(many, left)]):
        last, left = some[-1].pk, None if left is None else left - len(some)
        ids = [prompt.pk for prompt in some]
        texts, demonstrations, votes, size = defaultdict(dict), defaultdict(list), votes_of(ids), 1
        for prompt, pk, text, is_demonstration in all_responses.filter(among(Response, "prompt", ids)):
            texts[prompt][pk] = text
            size += len(text)
            if is_demonstration:
                demonstrations[prompt].append(pk)
        for prompt in some:
            pk, tags = prompt.pk, listed(prompt.tags_json) if chooser.filters.tags else ()
            pairs = chooser.pairs(tags, votes[pk]) if pk in votes else []
            yield Asked(prompt, texts.get(pk, {}), demonstrations.get(pk, []), pairs, part_of(prompt))
        many = max(1, min(PROMPTS_AT_ONCE, len(some) * CHARACTERS_AT_ONCE // size))


def listed(text):
    return json.loads(text) if text != "[]" else []


def votes_by(filters):
    """A function that gives the votes which filters look at: of prompts with these ids {prompt id: [Vote]} of those
    that have any, by comparison and judgment.

    It asks for the comparisons first: were they joined, PostgreSQL would read all judgments for a thousand of them.
    """
    criterion, asked_for = filters.criterion, known_of(filters)
    stated = FilteredRelation("choices", condition=Q(choices__criterion=criterion))
    votes = Judgment.objects.votes()
    if filters.decisions != VOTES:
        votes = votes | Judgment.objects.decisions()
    votes = votes.annotate(stated=stated).order_by("comparison", "pk", "stated__pk")
    votes = votes.values_list(
        "pk",
        "said" if criterion else "verdict",
        "stated__chosen",
        "stated__rejected",
        "stated__strength",
        "stated__rank_gap",
        "comparison",
        *asked_for.values(),
    )

    def votes_of(prompts):
        comparisons = Comparison.objects.filter(among(Comparison, "prompt", prompts)).order_by()
        prompt_of = dict(comparisons.values_list("pk", "prompt"))
        found = defaultdict(list)
        for values in votes.filter(among(Judgment, "comparison", prompt_of)):
            vote = Vote(*values[:7], **dict(zip(asked_for, values[7:], strict=True))) if asked_for else Vote(*values)
            if criterion:
                vote = vote._replace(verdict=verdict_by(criterion, vote.verdict))
            found[prompt_of[vote.comparison]].append(vote)
        return found

    return votes_of


def known_of(filters):
    """{what of a Vote the filters look at: where it stands}"""
    flagged = Exists(Judgment.objects.filter(comparison=OuterRef("comparison")).exclude(flag=""))
    decides = ExpressionWrapper(Q(purpose=Judgment.Purpose.DECISION), BooleanField())
    known = {
        "decides": (filters.decisions != VOTES, decides),
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
    row, texts = asked.row if asked.pairs else None, asked.texts
    return [
        (rows.Preference(row, texts[chosen], texts[rejected], strength), times, votes)
        for chosen, rejected, times, strength, votes in asked.pairs
    ]


def demonstrations(asked, left_out):
    """(rows.Demonstration, how many choices it stands for, None), once for each chosen answer and demonstration."""
    times = Counter()
    for pair in asked.pairs:
        times[pair.chosen] += pair.times
    times.update(asked.demonstrations)
    for pk, text in asked.texts.items():
        if times[pk]:
            yield rows.Demonstration(asked.row, text), times[pk], None


def labels(asked, left_out):
    """(rows.Label, how many labels it stands for, None), once for each text: wanted where it was chosen more often than
    rejected; left out where as often."""
    said = defaultdict(Counter)
    for pair in asked.pairs:
        said[asked.texts[pair.chosen]][True] += pair.times
        said[asked.texts[pair.rejected]][False] += pair.times
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
    instruction, given, system, turns = row.prompt
    texts = [instruction, given, system, *row.answers]
    if turns:
        texts += [text for _, text in turns]
    return "-" in [text[4:5] for text in texts]


def is_date_like(value):
    """Whether any text in a row looks like a date."""
    if isinstance(value, str):
        return value[:4].isdigit() and bool(DATE.fullmatch(value))
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(is_date_like, parts))

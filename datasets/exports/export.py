"""Database -> rows -> stream. Each dialect's file, and the account of what is not in it.

An export takes what was said by one criterion, or in all (""). Its choices = rows + left out (with what was merged),
each with a reason; a vote that states no choice by it is counted once; SFT files add every demonstration. Of a file
with one answer a row and a label, each choice is two labels, and counts as two. A table of judgments counts judgments.
"""

import hashlib
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import chain

from datasets.exports.judgment_table import iter_judgment_rows
from datasets.exports.query import iter_export_prompts
from datasets.exports.selection import SOFT, Filters, VoteSelector
from datasets.files.writers import ENCODERS, defuse_row, merge_pieces
from datasets.formats import get_file_kind, get_writable_formats, rows
from datasets.formats.rows import Omission
from datasets.models import Judgment, Prompt

MOST_HELD_BACK = 1000
PLAIN, FULL = 1, 2
# What Arrow's JSON reader takes for a timestamp when a whole column looks so: FORMATS.md section 2, rule 4.
DATE_LIKE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d(:?\d\d(:?\d\d)?)?(Z|[+-]\d\d(:?\d\d)?)?)?")


@dataclass
class Writer:
    """Writes prompts in one dialect, and counts what the dialect does not take. on_refused: called with (reason,
    prompt, answer or pair) of each such row."""

    name: str
    mode: str
    left_out: Counter = field(default_factory=Counter)
    warnings: Counter = field(default_factory=Counter)
    on_refused: object = None

    def __post_init__(self):
        self.module = get_writable_formats()[self.name]
        self.build_rows = ROW_BUILDERS[self.module.WRITES]

    def iter_rows(self, export_prompt):
        """The rows of one prompt, as the dialect writes them."""
        for row, times, votes in self.build_rows(export_prompt, self.left_out):
            try:
                dialect_row = self.module.write(refuse_same_answers(row))
            except Omission as refusal:
                self.left_out[refusal.reason] += max(1, times)
                if self.on_refused:
                    self.on_refused(refusal.reason, row)
                continue
            if times > 1:
                self.left_out["merged"] += times - 1
            if can_be_date_like(row) and is_date_like(dialect_row):
                self.warnings["looks_like_a_date"] += 1
            if self.mode == SOFT and votes:
                dialect_row |= {"votes_chosen": votes[0], "votes_total": votes[1]}
            yield dialect_row

    def rate_fitness(self, row):
        """How fit a row is to be a file's first, from which a trainer's loader takes the types: FULL, PLAIN where a
        list is empty, 0 where a text looks like a date."""
        if is_date_like(row):
            return 0
        return FULL if all(value != [] for value in row.values()) else PLAIN


@dataclass
class Export:
    """One run: iterate `iter_pieces()`, then read the account."""

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

    def iter_pieces(self):
        """The file's bytes, some rows at a time. Memory holds a few hundred prompts at a time."""
        self.skips, self.flags = count_skips(self.dataset)
        dialect_rows, columns = self.count_rows(self.iter_rows()), getattr(self.writer.module, "COLUMNS", ())
        if self.for_spreadsheets and get_file_kind(self.format) == "csv":
            dialect_rows = map(defuse_row, dialect_rows)
        for piece in merge_pieces(ENCODERS[get_file_kind(self.format)](dialect_rows, columns)):
            self.digest.update(piece)
            yield piece

    def count_rows(self, dialect_rows):
        for row in dialect_rows:
            self.rows += 1
            yield row

    def iter_rows(self):
        """The rows as the dialect writes them; what it does not take is counted."""
        if self.writer.module.WRITES is rows.JudgmentRow:
            return (row.columns for row in iter_judgment_rows(self.dataset, self.filters, self.left_out))
        has_optional_list = (
            self.writer.name in OPTIONAL_LIST_DIALECTS
            and Prompt.objects.filter(dataset=self.dataset).exclude(turns=[]).exists()
        )
        return self.iter_full_first() if has_optional_list else self.iter_plain_first()

    def iter_all_rows(self):
        for export_prompt in iter_export_prompts(
            self.dataset, VoteSelector(self.filters, self.left_out), most=self.most
        ):
            yield from self.writer.iter_rows(export_prompt)

    def iter_plain_first(self):
        """The rows, one whose texts do not look like dates in front."""
        return iter_fit_first(self.iter_all_rows(), self.writer.rate_fitness)

    def iter_full_first(self):
        """The rows, the first that fills every column in front, wherever it stands."""
        scout = Export(self.dataset, self.format, self.filters, most=self.most)
        full_rows = ((n, row) for n, row in enumerate(scout.iter_all_rows()) if self.writer.rate_fitness(row) == FULL)
        n, lead = next(full_rows, (None, None))
        if n is None:
            yield from self.iter_plain_first()
            return
        yield lead
        for number, row in enumerate(self.iter_all_rows()):
            if number != n:
                yield row

    def build_account(self):
        """The contract's summary, less `seconds`; call it when all pieces were taken."""
        return {
            "dataset": self.dataset.slug,
            "format": self.format,
            "rows": self.rows,
            "left_out": count_left_out(self.left_out, self.writer),
            "skips": self.skips,
            "flags": self.flags,
            "warnings": sort_counts(self.writer.warnings),
            "sha256": self.digest.hexdigest(),
        }


OPTIONAL_LIST_DIALECTS = ("dpo-alpaca",)  # dialects with a list that may be empty


def count_left_out(left_out, writer):
    """{reason: count} of what choosing and a writer left out; a choice is two labels where those are written."""
    each = 2 if writer.module.WRITES is rows.Label else 1
    return sort_counts(Counter({reason: each * n for reason, n in left_out.items()}) + writer.left_out)


def sort_counts(counter):
    return {name: n for name, n in sorted(counter.items()) if n}


def count_skips(dataset):
    """(skips, flags) of a dataset."""
    skipped = dataset.judgments.filter(state=Judgment.State.SKIPPED, purpose=Judgment.Purpose.VOTE)
    flags = skipped.exclude(flag="").count()
    return skipped.count() - flags, flags


def build_preferences(export_prompt, left_out):
    """(rows.Preference, how many choices it stands for, its votes)"""
    row, texts = export_prompt.row if export_prompt.pairs else None, export_prompt.texts
    return [
        (rows.Preference(row, texts[chosen], texts[rejected], strength), times, votes)
        for chosen, rejected, times, strength, votes in export_prompt.pairs
    ]


def build_demonstrations(export_prompt, left_out):
    """(rows.Demonstration, how many choices it stands for, None), once for each chosen answer and demonstration."""
    times = Counter()
    for pair in export_prompt.pairs:
        times[pair.chosen] += pair.times
    times.update(export_prompt.demonstrations)
    for pk, text in export_prompt.texts.items():
        if times[pk]:
            yield rows.Demonstration(export_prompt.row, text), times[pk], None


def build_labels(export_prompt, left_out):
    """(rows.Label, how many labels it stands for, None), once for each text: wanted where it was chosen more often than
    rejected; left out where as often."""
    label_counts = defaultdict(Counter)
    for pair in export_prompt.pairs:
        label_counts[export_prompt.texts[pair.chosen]][True] += pair.times
        label_counts[export_prompt.texts[pair.rejected]][False] += pair.times
    for text, times in label_counts.items():
        if times[True] == times[False]:
            left_out["split"] += times.total()
        else:
            left_out["outvoted"] += min(times[True], times[False])
            wanted = times[True] > times[False]
            yield rows.Label(export_prompt.row, text, wanted), times[wanted], None


ROW_BUILDERS = {
    rows.Preference: build_preferences,
    rows.Demonstration: build_demonstrations,
    rows.Label: build_labels,
    rows.JudgmentRow: None,
}


def refuse_same_answers(row):
    """The row, unless its two answers differ in blanks only."""
    if isinstance(row, rows.Preference) and row.chosen.strip() == row.rejected.strip():
        raise Omission("same_answer")
    return row


def iter_fit_first(dialect_rows, is_fit):
    """The rows, with one in front that may lead; of the first thousand."""
    held_rows = []
    for row in dialect_rows:
        if is_fit(row) or len(held_rows) >= MOST_HELD_BACK:
            yield from chain([row], held_rows, dialect_rows)
            return
        held_rows.append(row)
    yield from held_rows


def can_be_date_like(row):
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
        return value[:4].isdigit() and bool(DATE_LIKE.fullmatch(value))
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(is_date_like, parts))

"""Streaming exports: the file of a dialect, and a summary that accounts for every choice that is not in it.

An export covers one criterion, or the overall choices (""). Choices = rows + left out (merged ones included), each left
out for a reason; a vote that states no choice counts once. SFT files add every demonstration. In a dialect with one
answer and a label per row, each choice makes two labels and counts twice, and each answer that a file has labelled
counts once. A table of judgments counts judgments, an export of conversations chats.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypedDict, TypeVar

from django.db.models import Count, Q

from datasets.exports.conversations import iter_conversations
from datasets.exports.extras import ID, META, build_extras
from datasets.exports.judgment_table import iter_judgment_rows
from datasets.exports.query import ExportPrompt, iter_export_prompts
from datasets.exports.selection import SOFT, Filters, VoteSelector
from datasets.files.writers import ENCODERS, defuse_row, merge_pieces
from datasets.formats import get_file_kind, get_writable_formats, rows
from datasets.formats.rows import Omission
from datasets.models import Dataset, Judgment, Prompt

MOST_HELD_BACK = 1000
PLAIN, FULL = 1, 2
# Arrow's JSON reader parses a column as timestamps if all its values look like this: FORMATS.md section 2, rule 4.
DATE_LIKE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d(:?\d\d(:?\d\d)?)?(Z|[+-]\d\d(:?\d\d)?)?)?")


PromptPart = rows.Preference | rows.Demonstration | rows.Label
Row = dict[str, Any]  # {column: value}, as a dialect writes it
# (row; choices it represents; votes (for the winner, all); ids of its responses)
Built = tuple[PromptPart, int, tuple[int, int] | None, tuple[int, ...]]
RowBuilder = Callable[[ExportPrompt, Counter[str]], Iterable[Built]]
AnyRow = TypeVar("AnyRow", bound=PromptPart)


class ExportSummary(TypedDict):
    """What the command prints about an export, without `seconds`."""

    dataset: str
    format: str
    rows: int
    left_out: dict[str, int]
    skips: int
    flags: int
    warnings: dict[str, int]
    sha256: str


@dataclass
class Writer:
    """Writes prompts in one dialect.

    mode: of the filters.
    extras: further columns, of EXTRAS; a dialect that does not take them has none.
    left_out: counts choices that the dialect cannot represent, by reason.
    warnings: counts rows that a consumer may misread, by kind.
    on_refused: called with (reason, row) for each row that the dialect cannot represent.
    """

    name: str
    mode: str
    extras: tuple[str, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    on_refused: Callable[[str, PromptPart], object] | None = None

    def __post_init__(self) -> None:
        self.module = get_writable_formats()[self.name]
        self.build_rows = ROW_BUILDERS.get(self.module.WRITES, refuse_prompt)
        self.takes_turns = getattr(self.module, "TAKES_TURNS", False)
        if not getattr(self.module, "TAKES_EXTRAS", False):
            self.extras = ()

    @property
    def needs_origins(self) -> bool:
        """Whether its rows have ids or metadata."""
        return ID in self.extras or META in self.extras

    def iter_rows(self, export_prompt: ExportPrompt) -> Iterator[Row]:
        """Rows of one prompt, as the dialect writes them."""
        for row, times, votes, responses in self.build_rows(export_prompt, self.left_out):
            try:
                dialect_row = self.module.write(self.check_row(row))
            except Omission as refusal:
                self.left_out[refusal.reason] += max(1, times)
                if self.on_refused:
                    self.on_refused(refusal.reason, row)
                continue
            if times > 1:
                self.left_out["merged"] += times - 1
            extra_columns = build_extras(export_prompt, responses, self.extras) if self.extras else {}
            if (can_be_date_like(row) and is_date_like(dialect_row)) or is_date_like(extra_columns):
                self.warnings["looks_like_a_date"] += 1
            if self.mode == SOFT and votes:
                dialect_row |= {"votes_chosen": votes[0], "votes_total": votes[1]}
            yield dialect_row | extra_columns if extra_columns else dialect_row

    def check_row(self, row: AnyRow) -> AnyRow:
        """The row.

        Raises Omission where its two answers differ at most in surrounding whitespace, or where an answer has several
        turns and the dialect takes only one.
        """
        if isinstance(row, rows.Preference) and row.chosen.strip() == row.rejected.strip():
            raise Omission("same_answer")
        if not self.takes_turns and any(row.trajectories):
            raise Omission("several_turns")
        return row

    def rate_fitness(self, row: Row) -> int:
        """Fitness of a row for the first place in a file, where loaders infer types from it.

        FULL; PLAIN where a list is empty; 0 where a text looks like a date.
        """
        if is_date_like(row):
            return 0
        return FULL if all(value != [] for value in row.values()) else PLAIN


@dataclass
class Export:
    """One run of an export. Iterate `iter_pieces()`, then call `build_account()`.

    left_out: counts choices that the filters leave out, by reason.
    most: at most this number of prompts, for a preview; None for all.
    for_spreadsheets: escape formulas in CSV cells with an apostrophe.
    extras: further columns, of EXTRAS, for a dialect that takes them.
    conversations: one row per chat, without filters, for a dialect of demonstrations; `most` is of chats then.
    """

    dataset: Dataset
    format: str
    filters: Filters = field(default_factory=Filters)
    rows: int = 0
    skips: int = 0
    flags: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    most: int | None = None
    for_spreadsheets: bool = False
    extras: tuple[str, ...] = ()
    conversations: bool = False

    def __post_init__(self) -> None:
        self.digest = hashlib.sha256()
        self.writer = Writer(self.format, self.filters.mode, self.extras)

    def iter_pieces(self) -> Iterator[bytes]:
        """The file's bytes, streamed. Memory holds at most a few hundred prompts."""
        self.skips, self.flags = count_skips(self.dataset)
        dialect_rows: Iterator[Row] = self.count_rows(self.iter_rows())
        columns = getattr(self.writer.module, "COLUMNS", ())
        if self.for_spreadsheets and get_file_kind(self.format) == "csv":
            dialect_rows = map(defuse_row, dialect_rows)
        for piece in merge_pieces(ENCODERS[get_file_kind(self.format)](dialect_rows, columns)):
            self.digest.update(piece)
            yield piece

    def count_rows(self, dialect_rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, counted in `rows`."""
        for row in dialect_rows:
            self.rows += 1
            yield row

    def iter_rows(self) -> Iterator[Row]:
        """Rows as the dialect writes them; counts those that are left out."""
        if self.writer.module.WRITES is rows.JudgmentRow:
            return (row.columns for row in iter_judgment_rows(self.dataset, self.filters, self.left_out))
        has_optional_list = (
            self.writer.name in OPTIONAL_LIST_DIALECTS
            and Prompt.objects.filter(dataset=self.dataset).exclude(turns=[]).exists()
        )
        return self.iter_full_first() if has_optional_list else self.iter_plain_first()

    def iter_all_rows(self) -> Iterator[Row]:
        """Rows in the order of the prompts, or of the chats."""
        for export_prompt in self.iter_prompts():
            yield from self.writer.iter_rows(export_prompt)

    def iter_prompts(self) -> Iterator[ExportPrompt]:
        """What the rows are built from."""
        if self.conversations:
            return iter_conversations(self.dataset, self.left_out, self.most)
        selector, with_origins = VoteSelector(self.filters, self.left_out), self.writer.needs_origins
        return iter_export_prompts(self.dataset, selector, most=self.most, with_origins=with_origins)

    def iter_plain_first(self) -> Iterator[Row]:
        """Rows, starting with one whose texts do not look like dates."""
        return iter_fit_first(self.iter_all_rows(), self.writer.rate_fitness)

    def iter_full_first(self) -> Iterator[Row]:
        """Rows, starting with the first one that fills every column, found in an extra pass."""
        scout = Export(self.dataset, self.format, self.filters, most=self.most, extras=self.extras)
        full_rows = ((n, row) for n, row in enumerate(scout.iter_all_rows()) if self.writer.rate_fitness(row) == FULL)
        found = next(full_rows, None)
        if found is None:
            yield from self.iter_plain_first()
            return
        n, lead = found
        yield lead
        for number, row in enumerate(self.iter_all_rows()):
            if number != n:
                yield row

    def build_account(self) -> ExportSummary:
        """Summary of the export, once all pieces were iterated."""
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


def count_left_out(left_out: Counter[str], writer: Writer) -> dict[str, int]:
    """{reason: count} left out by the filters and a writer together; each choice counts twice in a dialect of labels.

    >>> count_left_out(Counter(tie=1), Writer("dpo", "majority"))
    {'tie': 1}
    >>> count_left_out(Counter(tie=1), Writer("kto", "majority"))
    {'tie': 2}

    left_out: choices left out by the filters.
    """
    each = 2 if writer.module.WRITES is rows.Label else 1
    return sort_counts(Counter({reason: each * n for reason, n in left_out.items()}) + writer.left_out)


def sort_counts(counter: Counter[str]) -> dict[str, int]:
    """The counts without zeros, sorted by name.

    >>> sort_counts(Counter(tie=2, split=0, outvoted=1))
    {'outvoted': 1, 'tie': 2}
    """
    return {name: n for name, n in sorted(counter.items()) if n}


def count_skips(dataset: Dataset) -> tuple[int, int]:
    """(number of skips, number of flags) of a dataset.

    >>> count_skips(dataset)
    (0, 0)
    """
    skipped = dataset.judgments.filter(state=Judgment.State.SKIPPED, purpose=Judgment.Purpose.VOTE)
    counts = skipped.aggregate(n=Count("pk"), flags=Count("pk", filter=~Q(flag="")))
    return counts["n"] - counts["flags"], counts["flags"]


def build_preferences(export_prompt: ExportPrompt, left_out: Counter[str]) -> list[Built]:
    """A Preference for each pair."""
    if not export_prompt.pairs:
        return []
    row, texts, turns = export_prompt.row, export_prompt.texts, export_prompt.trajectories
    built: list[Built] = []
    for chosen, rejected, times, strength, votes, margin in export_prompt.pairs:
        preference = rows.Preference(row, texts[chosen], texts[rejected], strength, margin)
        if turns:
            preference = preference._replace(chosen_turns=turns.get(chosen, ()), rejected_turns=turns.get(rejected, ()))
        built.append((preference, times, votes, (chosen, rejected)))
    return built


def build_demonstrations(export_prompt: ExportPrompt, left_out: Counter[str]) -> Iterator[Built]:
    """A Demonstration for each chosen response and each demonstration, unless a file calls it bad."""
    times: Counter[int] = Counter()
    for pair in export_prompt.pairs:
        times[pair.chosen] += pair.times
    times.update(export_prompt.demonstrations)
    for pk, text in export_prompt.texts.items():
        if times[pk]:
            if export_prompt.labels.get(pk) is False:
                left_out["other_label"] += times[pk]
            else:
                turns = export_prompt.trajectories.get(pk, ())
                yield rows.Demonstration(export_prompt.row, text, turns), times[pk], None, (pk,)


def build_labels(export_prompt: ExportPrompt, left_out: Counter[str]) -> Iterator[Built]:
    """A Label for each text that has labels: its own from files, and one from each choice for or against it.

    The more frequent own label wins, without any the more frequent one of choices; a text with equally many of each is
    left out. Here the count of each row is of labels, two per choice.
    """
    if not (export_prompt.pairs or export_prompt.labels):
        return
    texts = export_prompt.texts
    of_choices: dict[str, Counter[bool]] = defaultdict(Counter)
    of_files: dict[str, Counter[bool]] = defaultdict(Counter)
    first: dict[str, int] = {}  # {text: id of the response that the row is about}
    for pair in export_prompt.pairs:
        for pk, is_wanted in ((pair.chosen, True), (pair.rejected, False)):
            of_choices[texts[pk]][is_wanted] += pair.times
            first.setdefault(texts[pk], pk)
    for pk, label in export_prompt.labels.items():
        of_files[texts[pk]][label] += 1
        first.setdefault(texts[pk], pk)
    for text, pk in first.items():
        counts = of_choices[text] + of_files[text]
        deciding = of_files[text] or of_choices[text]
        if deciding[True] == deciding[False]:
            left_out["split"] += counts.total()
            continue
        wanted = deciding[True] > deciding[False]
        left_out["outvoted"] += deciding[not wanted]
        if of_files[text]:
            left_out["other_label"] += of_choices[text][not wanted]
        turns = export_prompt.trajectories.get(pk, ())
        yield rows.Label(export_prompt.row, text, wanted, turns), counts[wanted], None, (pk,)


def refuse_prompt(export_prompt: ExportPrompt, left_out: Counter[str]) -> list[Built]:
    """Raises TypeError: tables of judgments are not built from prompts."""
    raise TypeError("this dialect is not built from prompts")


# {type of row: its builder} of the rows that are built from the choices on a prompt
ROW_BUILDERS: dict[type, RowBuilder] = {
    rows.Preference: build_preferences,
    rows.Demonstration: build_demonstrations,
    rows.Label: build_labels,
}


def iter_fit_first(dialect_rows: Iterator[Row], is_fit: Callable[[Row], object]) -> Iterator[Row]:
    """The rows, starting with a fit one, if there is one among the first MOST_HELD_BACK."""
    held_rows: list[Row] = []
    for row in dialect_rows:
        if is_fit(row) or len(held_rows) >= MOST_HELD_BACK:
            yield from chain([row], held_rows, dialect_rows)
            return
        held_rows.append(row)
    yield from held_rows


def can_be_date_like(row: PromptPart) -> bool:
    """Whether a text of a row may start like a date: a fast check before `is_date_like`."""
    instruction, given, system, turns = row.prompt
    texts = [instruction, given, system, *row.answers]
    for several in (turns, *row.trajectories):
        texts += [text for _, text in several]
    return "-" in [text[4:5] for text in texts]


def is_date_like(value: Any) -> bool:
    """Whether any text in a row, or in a value of it, looks like a date."""
    if isinstance(value, str):
        return value[:4].isdigit() and bool(DATE_LIKE.fullmatch(value))
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(is_date_like, parts))

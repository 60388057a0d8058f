"""How a file is read: by a format or a mapping, which all of its rows decide, and what becomes of its other columns."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Self, TypeAlias

from datasets import formats
from datasets.files.item import FileProblem, Item
from datasets.formats import mapping, parsers, wide
from datasets.formats.guessing import NUMBER, find_counting_problem
from datasets.formats.leftovers import MESSAGE_WEIGHT, ROW_IDS, Leftovers, is_empty
from datasets.formats.rows import DEMONSTRATION, RawRow, Refusal, Row, TableRow
from datasets.formats.vocabulary import LABELS
from datasets.imports.metadata import OWN_META, find_unstorable_text, parse_own_meta
from datasets.imports.spool import escape_surrogates
from datasets.imports.warnings import TURN_WEIGHT
from datasets.imports.watching import WatchedRow, WatchedTableRow, count_reads, iter_unread_fields
from datasets.text.tags import parse_tags

LABEL_KEYS = ("label", "kto_tag")
KEEP, JOIN, REFUSE = "keep", "join", "refuse"  # what becomes of prompts whose turns do not alternate
TURNS = (KEEP, JOIN, REFUSE)
WATCHED = 20  # rows of the same columns whose reading is watched
MOST_KINDS = 500  # of rows by their columns; beyond it each row is watched
MOST_VERDICTS, LONGEST_VERDICT = 100, 80  # different values of a winner column that are remembered, and characters
SAMPLE = 50  # rows that are kept to look at
IS_GOLD, NOT_GOLD = ("true", "1", "yes"), ("", "false", "0", "no", "none")

Roles: TypeAlias = dict[str, str]  # {role: column}, see datasets/formats/mapping.py
Rename: TypeAlias = Callable[[RawRow], RawRow]  # spells the keys of a row as the formats expect them


@dataclass(frozen=True)
class Options:
    """What the person who imports says about the files.

    format_name: a readable format or `auto`.
    roles: the mapping of the columns; None to detect a format.
    ignored: columns that are given up.
    kept: columns that are kept as metadata.
    turns: KEEP, JOIN or REFUSE.
    mask: what to mask, see personal_data.MASKABLE.
    known: hashes of prompts to warn about, see known_prompts.hash_prompt.
    """

    format_name: str = "auto"
    roles: Roles | None = None
    ignored: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    turns: str = KEEP
    mask: frozenset[str] = frozenset()
    known: frozenset[bytes] = frozenset()


@dataclass
class Facts:
    """What the rows of a file have shown so far.

    columns: {name: its first value that is not empty}, in order; None or "" while there is none.
    first: the first row, or the refusal of the first line.
    rows: the first rows.
    sources: two different values of the column `source` at most.
    labels: the values of the columns LABEL_KEYS.
    verdicts: the values of the winner column of the format `wide`.
    """

    columns: dict[str, Any] = field(default_factory=dict)
    first: Item | None = None
    rows: list[RawRow] = field(default_factory=list)
    is_table: bool = False
    sources: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    verdicts: set[str] = field(default_factory=set)
    seen: dict[tuple[str, ...], str | None] = field(default_factory=dict)  # {the keys of a row: the winner column}
    unfilled: set[str] = field(default_factory=set)

    @classmethod
    def collect(cls, items: Iterable[Item]) -> Self:
        """The facts of some items."""
        facts = cls()
        for item in items:
            facts.add(item)
        return facts

    def add(self, item: Item) -> None:
        """Notes one item."""
        self.first = self.first or item
        value = item.value
        if not isinstance(value, dict):
            return
        if len(self.rows) < SAMPLE:
            self.rows.append(value)
            self.is_table = isinstance(value, TableRow)
        keys = tuple(value)
        if keys not in self.seen:
            self.add_keys(keys, value)
        winner = self.seen.get(keys)
        if winner and len(self.verdicts) < MOST_VERDICTS and not is_empty(value[winner]):
            self.verdicts.add(str(value[winner]).strip()[:LONGEST_VERDICT])
        if self.unfilled:
            for name in [name for name in self.unfilled if value.get(name) not in (None, "")]:
                self.columns[name] = value[name]
                self.unfilled.discard(name)
        for key in LABEL_KEYS:
            if key in value and len(self.labels) < MOST_VERDICTS and not is_empty(value[key]):
                self.labels.add(str(value[key])[:LONGEST_VERDICT])
        source = value.get("source")
        if isinstance(source, str) and source and len(self.sources) < 2:
            self.sources.add(source)

    def add_keys(self, keys: tuple[str, ...], value: RawRow) -> None:
        """Notes the columns of a row with other keys than those before."""
        if len(self.seen) < MOST_KINDS:
            winner = wide.classify_columns(tuple(key.lower() for key in keys))[2]
            self.seen[keys] = next((key for key in keys if key.lower() == winner), None)
        for name in keys:
            if name not in self.columns:
                self.columns[name] = value[name]
                if value[name] in (None, ""):
                    self.unfilled.add(name)

    def build_row(self) -> RawRow:
        """A row with all columns, each with its first value that is not empty."""
        return TableRow(self.columns) if self.is_table else dict(self.columns)

    def list_columns(self) -> list[str]:
        """The names of the columns that the database can store."""
        return [name for name in self.columns if "\x00" not in name and escape_surrogates(name) == name]


@dataclass
class Reading:
    """One way to read a file.

    name: of the format, or mapping.NAME.
    rename: spells a row's keys for the format.
    roles: the mapping, if the file is read by one.
    leftovers: the columns that are not read.
    reads: {the keys of a row: what is read of such rows, as in WatchedRow}; `watched`: how many were watched.
    """

    name: str
    rename: Rename
    roles: Roles | None
    options: Options
    leftovers: Leftovers = field(init=False)
    reads: dict[tuple[str, ...], dict[str, set[str]]] = field(default_factory=dict)
    watched: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        roles = self.roles or {}
        ignored = self.options.ignored | mapping.get_ignored(roles)
        self.module: ModuleType | None = None if self.name == mapping.NAME else formats.load_formats()[self.name]
        kept = self.options.kept | mapping.get_kept(roles) | getattr(self.module, "KEEPS", frozenset())
        self.leftovers = Leftovers(ignored, kept, getattr(self.module, "KNOWN_WITHIN", frozenset()))

    def is_same(self, other: "Reading") -> bool:
        """Whether both read a file alike."""
        return (self.name, self.rename, self.roles) == (other.name, other.rename, other.roles)

    def read_batch(self, items: Sequence[Item]) -> list[tuple[Item, Row | Refusal]]:
        """Each item with its row or the reason why it is refused; the columns left over are counted."""
        rows = [(item, self.read(item)) for item in items]
        return [(item, self.account(item.value, row) if isinstance(item.value, dict) else row) for item, row in rows]

    def read(self, item: Item) -> Row | Refusal:
        """The row of an item, or the reason why it is refused."""
        value = item.value
        if isinstance(value, Refusal):
            return value
        kind = self.find_kind(value)
        if self.watched[kind] >= WATCHED and kind:
            return self.parse(self.rename(value))
        reads = self.reads.setdefault(kind, {"": set()})
        before = count_reads(reads)
        row = (WatchedTableRow if isinstance(value, TableRow) else WatchedRow)(self.rename(value), reads)
        parsed = self.parse(row)
        # A refused row is read in part only; one with something left over may show that it is read after all.
        if isinstance(parsed, Row) and count_reads(reads) == before and not self.has_unread(value):
            self.watched[kind] += 1
        return parsed

    def find_kind(self, value: RawRow) -> tuple[str, ...]:
        """The keys of a row; () for all rows beyond MOST_KINDS different ones."""
        keys = tuple(value)
        return keys if keys in self.reads or len(self.reads) < MOST_KINDS else ()

    def parse(self, value: RawRow) -> Row | Refusal:
        """The row of an object with the keys that the format expects, or the reason why it is refused."""
        try:
            row = read_mapped(self.roles or {}, value) if self.module is None else read_formatted(self.module, value)
            return self.apply_turns(row) if row.prompt.turns else row
        except Refusal as refused:
            return refused

    def apply_turns(self, row: Row) -> Row:
        """The row with its turns as the options say. Raises Refusal where they must alternate and do not."""
        if self.options.turns == KEEP or parsers.is_alternating(row.prompt):
            return row
        prompt = parsers.join_turns(row.prompt) if self.options.turns == JOIN else row.prompt
        if not parsers.is_alternating(prompt):
            raise Refusal("not_alternating", self.find_turns_field())
        return row._replace(prompt=prompt)

    def find_turns_field(self) -> str:
        """The column of the turns, for a message."""
        roles = self.roles or {}
        return roles.get("conversation", roles.get("history", "messages"))

    def account(self, value: RawRow, row: Row | Refusal) -> Row | Refusal:
        """The row with its id and metadata; counts the fields of the object that are not read.

        A refused row is read in part only: what it leaves over says nothing.
        """
        if isinstance(row, Refusal):
            return row
        meta: dict[str, Any] = {}
        row_id, named, has_zero_weight = "", dict[str, Any](), False
        for name, cell in self.iter_unread(value):
            if is_empty(cell) or self.leftovers.is_known(name):
                continue
            if not self.leftovers.is_metadata(name):
                named.setdefault(name, cell)
                has_zero_weight |= name.endswith(MESSAGE_WEIGHT) and cell == 0
            elif not row_id and name.lower() in ROW_IDS and isinstance(cell, str | int):
                row_id = str(cell)
            elif name.lower() == OWN_META and isinstance(cell, str) and cell.startswith("{"):
                meta |= parse_own_meta(cell, name)
            else:
                meta[name] = cell
        for name, cell in named.items():
            self.leftovers.add(name, cell, row)
        if not (meta or row_id or has_zero_weight):
            return row
        if unstorable := find_unstorable_text(row_id, "id") or find_unstorable_text(meta, ""):
            return unstorable
        odd = (*row.odd, TURN_WEIGHT) if has_zero_weight else row.odd
        return row._replace(id=row.id or row_id, meta={**(row.meta or {}), **meta} or None, odd=odd)

    def has_unread(self, value: RawRow) -> bool:
        """Whether a row holds something that is not read."""
        return any(not is_empty(cell) for _, cell in self.iter_unread(value))

    def iter_unread(self, value: RawRow) -> Iterator[tuple[str, Any]]:
        """(path, value) of the columns that are not read, and of the fields within those that are."""
        reads = self.reads[self.find_kind(value)]
        columns, lowers = reads[""], self.rename is lower_keys
        for name, cell in value.items():
            key = name.lower() if lowers else name
            if key not in columns:
                yield name, cell
            elif type(cell) is dict or type(cell) is list:
                yield from iter_unread_fields(cell, key, reads)


def read_mapped(roles: Roles, value: RawRow) -> Row:
    """The row of an object, read by a mapping, with its tags. Raises Refusal.

    >>> read_mapped({"prompt": "q", "demonstration": "a"}, {"q": "2 + 2?", "a": "4"}).responses[0].text
    '4'
    """
    row = mapping.read(roles, value)
    tags = parse_tags(mapping.find_value(value, roles["tags"])) if "tags" in roles else []
    return row._replace(tags=tuple(tags)) if tags else row


def choose_reading(facts: Facts, options: Options, candidates: Collection[str] | None = None) -> Reading:
    """How to read a file with these facts.

    candidates: the formats to detect, all by default.

    Raises FileProblem if no format matches or the mapping names a column that the file lacks.

    >>> facts = Facts.collect([Item(1, {"prompt": "2 + 2?", "completion": "4"})])
    >>> choose_reading(facts, Options()).name
    'sft'
    """
    roles = options.roles
    if roles is not None and mapping.FORMAT not in roles:
        check_columns(facts, roles)
        return Reading(mapping.NAME, keep_keys, roles, options)
    stated = roles[mapping.FORMAT] if roles else options.format_name
    name, rename = detect_format(facts, stated, candidates)
    return Reading(name, rename, roles, options)


def check_columns(facts: Facts, roles: Roles) -> None:
    """Raises FileProblem if a mapping names a column that no row has.

    >>> check_columns(Facts.collect([Item(1, {"q": {"text": "2 + 2?"}})]), {"prompt": "q.text"})
    """
    named, columns = mapping.list_columns(roles), facts.columns
    if missing := sorted({column for column in named if mapping.find_head(columns, column) not in columns}):
        raise FileProblem("no_such_column", ", ".join(missing)[:300])


def detect_format(facts: Facts, format_name: str, candidates: Collection[str] | None = None) -> tuple[str, Rename]:
    """(name of the format, how to spell the keys of its rows): unchanged if a format matches so, else lower-cased.

    Raises FileProblem if no item is a row, or no format matches.
    """
    if not facts.rows:
        first = facts.first
        assert first is not None
        assert isinstance(first.value, Refusal)
        raise FileProblem("no_rows", first.value.reason, first.line)
    names = (candidates or formats.get_readable_formats()) if format_name == "auto" else [format_name]
    for rename in (keep_keys, lower_keys):
        row = rename(facts.build_row())
        if name := formats.detect(set(row), row, names):
            return name, rename
    if format_name == "auto":
        raise FileProblem("unknown_shape", ", ".join(facts.rows[0])[:300])
    return format_name, keep_keys


def find_doubt(reading: Reading, facts: Facts) -> str:
    """Why a file must not be read so without asking, a code of reasons.UNSURE; "" if it may.

    >>> rows = [{"prompt": "2 + 2?", "response_a": "4", "response_b": "5", "winner": n} for n in (0, 1)]
    >>> facts = Facts.collect(Item(n, row) for n, row in enumerate(rows, 1))
    >>> reading = choose_reading(facts, Options())
    >>> find_doubt(reading, facts)
    'counting'
    """
    if reading.name == "wide":
        return find_counting_problem(facts.verdicts, wide.find_columns(facts.columns, wide.ANSWER_COLUMN))
    if reading.name in ("kto", "kto-messages") and any(map(is_class, facts.labels)):
        return "labels"
    return ""


def is_class(text: str) -> bool:
    """Whether a label is a number that says neither good nor bad, such as the third of several classes."""
    return bool(NUMBER.fullmatch(text)) and text.lower() not in LABELS


def keep_keys(row: RawRow) -> RawRow:
    """The row unchanged.

    >>> keep_keys({"Prompt": "2 + 2?"})
    {'Prompt': '2 + 2?'}
    """
    return row


def lower_keys(row: RawRow) -> RawRow:
    """The row with lower-cased keys, of the same type."""
    return type(row)((key.lower(), value) for key, value in row.items())


def read_formatted(module: ModuleType, value: RawRow) -> Row:
    """The row of an object, read by a format, with its tags and gold reason.

    >>> read_formatted(formats.load_formats()["sft"], {"prompt": "2 + 2?", "completion": "4"}).kind
    'demonstration'
    """
    row: Row = module.read(value)
    tags = parse_tags(value.get("tags")) if "tags" in value else []
    gold_reason = parse_gold_reason(value) if "gold" in value and row.kind != DEMONSTRATION else None
    if gold_reason is not None and not row.votes:
        raise Refusal("no_known_answer", "gold")
    return row._replace(tags=tuple(tags), known=gold_reason) if tags or gold_reason is not None else row


def parse_gold_reason(value: RawRow) -> str | None:
    """The reason why a row's verdict is known to be right; None if its field `gold` does not mark it as gold."""
    gold = str(value["gold"]).strip().lower()
    if gold in NOT_GOLD:
        return None
    if gold not in IS_GOLD:
        raise Refusal("off_scale", "gold", gold[:80])
    return parsers.parse_text(value.get("gold_reason"), "gold_reason", required=False)

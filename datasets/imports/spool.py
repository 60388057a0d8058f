"""The spool: a checked upload on disk that waits to be stored. One SQLite file per upload, in DATA_DIR.

It also holds what the check has to remember of every row (each annotator's vote on each pair), so that memory use does
not grow with the upload.
"""

import json
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, Self, TypeAlias, TypedDict

import msgspec
from django.conf import settings

from datasets.files.item import Item
from datasets.files.jsonl import decoder
from datasets.formats.rows import Prompt, Refusal, Response, Row
from datasets.imports.warnings import find_excerpt, find_warnings, get_text
from datasets.models import Import
from datasets.text.fingerprints import fingerprint_prompt

EXAMPLES = 3
MOST_BESIDE = 600  # characters kept of the text that a near-duplicate resembles
LONG_BATCH = 4 << 20  # characters
encode_row = msgspec.json.Encoder().encode
decode_row = msgspec.json.Decoder(Row).decode  # rows of older spools may lack fields: these have defaults
SCHEMA = """
CREATE TABLE rows (
    n INTEGER PRIMARY KEY, file TEXT, line INTEGER, kind TEXT, responses INTEGER, fingerprint TEXT, row TEXT
);
CREATE TABLE refused (
    n INTEGER PRIMARY KEY, file TEXT, line INTEGER, number INTEGER, field TEXT, reason TEXT, detail TEXT, row TEXT
);
CREATE TABLE doubts (doubt TEXT, n INTEGER, place INTEGER, PRIMARY KEY (doubt, n, place)) WITHOUT ROWID;
CREATE TABLE besides (doubt TEXT, n INTEGER, place INTEGER, text TEXT, PRIMARY KEY (doubt, n, place)) WITHOUT ROWID;
CREATE TABLE doubted (fingerprint TEXT PRIMARY KEY, n INTEGER, text TEXT) WITHOUT ROWID;
CREATE TABLE named (key TEXT PRIMARY KEY, verdict TEXT, place TEXT) WITHOUT ROWID;
CREATE TABLE unnamed (key TEXT PRIMARY KEY, times INTEGER) WITHOUT ROWID;
"""


SpoolRow: TypeAlias = tuple[int, str, int, str, Row]  # (n, file, line, fingerprint of the prompt, row)


class WarningExample(NamedTuple):
    """A row with a warning: the text that it is about, and the text that it resembles, if any."""

    file: str
    line: int
    text: str
    beside: str | None


class RefusedRow(TypedDict):
    """A refused row.

    n: its number in the spool; not written to the file of refused rows.
    number: its number in the file, from 1.
    field, reason, detail: see Refusal.
    row: the object, or its text if that cannot be parsed.
    """

    n: NotRequired[int]
    file: str
    line: int
    number: int
    field: str
    reason: str
    detail: str
    row: Any


def get_spool_folder() -> Path:
    """The folder of the spools; created if missing.

    >>> get_spool_folder() == settings.DATA_DIR / "spool"
    True
    """
    path = settings.DATA_DIR / "spool"
    path.mkdir(exist_ok=True)
    return path


class Spool:
    """The rows and refusals of an upload, each numbered from 1 in the order of reading (`n`)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    @classmethod
    def create(cls) -> Self:
        """A new, empty spool, open for writing until `finish`."""
        spool = cls(get_spool_folder() / f"{uuid.uuid4().hex}.sqlite3")
        spool.db.execute("PRAGMA page_size=16384")  # rows are long
        spool.db.execute("PRAGMA journal_mode=OFF")
        spool.db.execute("PRAGMA synchronous=OFF")
        spool.db.executescript(SCHEMA)
        spool.db.execute("BEGIN")
        return spool

    def finish(self) -> None:
        """Commits a checked upload to the disk."""
        self.db.execute("COMMIT")
        self.db.execute("PRAGMA synchronous=FULL")

    def close(self) -> None:
        self.db.close()

    def delete(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)

    def forget_rows(self) -> None:
        """Deletes the rows of a stored import, keeps its refusals for display, and closes the spool."""
        for table in ("rows", "counted", "tallies", "named", "unnamed", "doubts", "besides", "doubted"):
            self.db.execute(f"DROP TABLE IF EXISTS {table}")
        self.db.execute("VACUUM")
        self.close()

    def add(self, file: str, rows: Iterable[tuple[int, Row]]) -> None:
        """Adds accepted rows of a file and their warnings.

        rows: (line, row).
        """
        (last,) = self.db.execute("SELECT coalesce(max(n), 0) FROM rows").fetchone()
        row_values: list[tuple[int, str, int, str, int, str, bytes]] = []
        warnings: list[tuple[str, int, int]] = []
        for n, (line, row) in enumerate(rows, last + 1):
            row_values.append(
                (n, file, line, row.kind, len(row.responses), fingerprint_prompt(row.prompt), encode_row(row))
            )
            warnings += [(warning, n, place) for warning, places in find_warnings(row).items() for place in places]
            warnings += [(warning, n, -1) for warning in row.odd]
        self.db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", row_values)
        self.db.executemany("INSERT OR IGNORE INTO doubts VALUES (?, ?, ?)", warnings)

    def refuse(self, file: str, item: Item, refusal: Refusal) -> None:
        """Adds a refusal with the raw row."""
        values = (file, item.line, item.number, refusal.field, refusal.reason, refusal.detail)
        self.db.execute(
            "INSERT INTO refused (file, line, number, field, reason, detail, row) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(escape_surrogates(value) if isinstance(value, str) else value for value in values),
                json.dumps(item.raw),
            ),
        )

    def get_row(self, n: int) -> Row:
        """The n-th row."""
        return decode_row(self.db.execute("SELECT row FROM rows WHERE n = ?", (n,)).fetchone()[0])

    def add_warning(self, warning: str, n: int, place: int, beside: str = "") -> None:
        """Adds a warning to the n-th row.

        place: as in warnings.get_text; -1 for the prompt.
        beside: the text that it resembles.
        """
        self.db.execute("INSERT OR IGNORE INTO doubts VALUES (?, ?, ?)", (warning, n, place))
        if beside:
            self.db.execute(
                "INSERT OR IGNORE INTO besides VALUES (?, ?, ?, ?)", (warning, n, place, beside[:MOST_BESIDE])
            )

    def add_near_prompt(self, prompt_fingerprint: str, n: int, beside: str) -> None:
        """Notes a prompt that is a near-duplicate of another, for add_row_warnings.

        n: the first row that has it.
        beside: the other prompt.
        """
        self.db.execute("INSERT OR IGNORE INTO doubted VALUES (?, ?, ?)", (prompt_fingerprint, n, beside[:MOST_BESIDE]))

    def add_row_warnings(self, warning: str) -> None:
        """Adds a warning to every row of the prompts that add_near_prompt has noted."""
        self.db.execute("INSERT INTO besides SELECT ?, n, -1, text FROM doubted", (warning,))
        rows = "SELECT ?, rows.n, -1 FROM rows CROSS JOIN doubted ON doubted.fingerprint = rows.fingerprint"
        self.db.execute(f"INSERT OR IGNORE INTO doubts {rows}", (warning,))

    def list_warnings(self) -> dict[str, tuple[int, list[WarningExample]]]:
        """{warning: (number of rows, the first examples)}; empty for a spool of an older version."""
        if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'besides'").fetchone():
            return {}
        counts = self.count_warnings()
        return {warning: (rows, self.list_examples(warning)) for warning, rows in counts.items()}

    def count_warnings(self) -> dict[str, int]:
        """{warning: number of rows}"""
        return dict(self.db.execute("SELECT doubt, count(DISTINCT n) FROM doubts GROUP BY doubt ORDER BY doubt"))

    def list_examples(self, warning: str) -> list[WarningExample]:
        """The first EXAMPLES rows with a warning, those that resemble another text before the rest."""
        tables = "doubts JOIN rows USING (n) LEFT JOIN besides USING (doubt, n, place)"
        query = f"SELECT file, line, row, place, text FROM {tables} WHERE doubt = ? ORDER BY text IS NULL, n LIMIT ?"
        example_rows = self.db.execute(query, (warning, EXAMPLES)).fetchall()
        return [
            WarningExample(file, line, find_excerpt(warning, get_text(decode_row(row), place)), beside)
            for file, line, row, place, beside in example_rows
        ]

    def leave_out(self, warning: str) -> int:
        """Moves the rows with a warning to the refusals. Returns their number."""
        query = "SELECT DISTINCT n, file, line, row FROM doubts JOIN rows USING (n) WHERE doubt = ? ORDER BY n"
        removed = self.db.execute(query, (warning,)).fetchall()
        for n, file, line, text in removed:
            self.remove_row(n, file, line, decode_row(text), Refusal("left_out", "", warning))
        return len(removed)

    def list_warned(self, warnings: Collection[str], after: int, most: int) -> list[SpoolRow]:
        """The next rows after the n-th that have one of these warnings, at most `most`."""
        placeholders = ", ".join("?" * len(warnings))
        query = f"SELECT DISTINCT n FROM doubts WHERE n > ? AND doubt IN ({placeholders}) ORDER BY n LIMIT ?"
        rows = "SELECT n, file, line, fingerprint, row FROM rows"
        found = self.db.execute(f"{rows} WHERE n IN ({query}) ORDER BY n", (after, *warnings, most))
        return [(n, file, line, fingerprint, decode_row(row)) for n, file, line, fingerprint, row in found]

    def update_row(self, n: int, row: Row) -> None:
        """Replaces the n-th row and the fingerprint of its prompt."""
        values = (fingerprint_prompt(row.prompt), encode_row(row), n)
        self.db.execute("UPDATE rows SET fingerprint = ?, row = ? WHERE n = ?", values)

    def remove_row(self, n: int, file: str, line: int, row: Row, refusal: Refusal) -> None:
        """Moves the n-th row to the refusals."""
        raw = {"prompt": row.prompt.instruction, "responses": [response.text for response in row.responses]}
        self.refuse(file, Item(line, {}, raw, n), refusal)
        self.db.execute("DELETE FROM rows WHERE n = ?", (n,))

    def find_vote(self, key: str) -> tuple[str, str] | None:
        """(outcome, `file:line`) of an annotator's earlier vote on a pair; the key is that of compute_vote_keys."""
        return self.db.execute("SELECT verdict, place FROM named WHERE key = ?", (key,)).fetchone()

    def add_vote(self, key: str, verdict: str, place: str) -> None:
        """Adds an annotator's vote on a pair; an earlier one stays."""
        self.db.execute("INSERT OR IGNORE INTO named VALUES (?, ?, ?)", (key, verdict, place))

    def number_vote(self, key: str) -> int:
        """The number of a new anonymous vote, from 1, among the equal ones of this upload."""
        self.db.execute("INSERT INTO unnamed VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET times = times + 1", (key,))
        return self.db.execute("SELECT times FROM unnamed WHERE key = ?", (key,)).fetchone()[0]

    def count(self, table: str) -> int:
        """The number of rows of a table."""
        return self.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def count_prompts(self) -> int:
        """The number of prompts, cached after the first call: counting a million takes a second or two."""
        if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'counted'").fetchone():
            query = "SELECT count(DISTINCT fingerprint) AS prompts FROM rows"
            self.db.execute(f"CREATE TABLE IF NOT EXISTS counted AS {query}")
        return self.db.execute("SELECT prompts FROM counted").fetchone()[0]

    def iter_prompts(self, kinds: Collection[str], build: Callable[[str, Row], bytes]) -> Iterator[tuple[str, bytes]]:
        """(fingerprint of the prompt, build(kind, row)) of each row of these kinds; rows of one prompt stand together.

        What `build` makes of a row is sorted on the disk, in place of the row.
        """

        def build_from_text(kind: str, text: bytes) -> bytes:
            return build(kind, decode_row(text))

        self.db.create_function("built", 2, build_from_text, deterministic=True)
        placeholders = ", ".join("?" * len(kinds))
        query = f"SELECT fingerprint, built(kind, row) FROM rows WHERE kind IN ({placeholders}) ORDER BY fingerprint, n"
        yield from self.db.execute(query, tuple(kinds))

    def get_tally(self, key: str) -> bytes | None:
        """What save_tally has kept under this key."""
        if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'tallies'").fetchone():
            return None
        found = self.db.execute("SELECT tally FROM tallies WHERE key = ?", (key,)).fetchone()
        return found and found[0]

    def save_tally(self, key: str, tally: bytes) -> None:
        """Keeps a tally, until rows are masked or left out."""
        self.db.execute("CREATE TABLE IF NOT EXISTS tallies (key TEXT PRIMARY KEY, tally BLOB)")
        self.db.execute("INSERT OR REPLACE INTO tallies VALUES (?, ?)", (key, tally))

    def forget_tallies(self) -> None:
        """Deletes what was counted of the rows, because some of them change."""
        for table in ("counted", "tallies"):
            self.db.execute(f"DROP TABLE IF EXISTS {table}")

    def has_repeated_prompt(self, after: int) -> bool:
        """Whether two rows after the n-th have the same prompt."""
        query = "SELECT 1 FROM rows WHERE n > ? GROUP BY fingerprint HAVING count(*) > 1 LIMIT 1"
        return self.db.execute(query, (after,)).fetchone() is not None

    def count_by_kind(self) -> dict[str, tuple[int, int]]:
        """{kind: (number of rows, number of responses)} of the accepted rows."""
        counts = self.db.execute("SELECT kind, count(*), sum(responses) FROM rows GROUP BY kind")
        return {kind: (rows, responses) for kind, rows, responses in counts}

    def iter_batches(self, after: int, most: int) -> Iterator[list[SpoolRow]]:
        """The rows after the n-th in batches of `most`; fewer if they are long, see LONG_BATCH."""
        while rows := self.list_rows(after, most):
            yield rows
            after = rows[-1][0]

    def list_rows(self, after: int, most: int) -> list[SpoolRow]:
        """The next batch of iter_batches."""
        query = "SELECT n, file, line, fingerprint, row FROM rows WHERE n > ? ORDER BY n LIMIT ?"
        rows: list[SpoolRow] = []
        size = 0
        for n, file, line, fingerprint, row in self.db.execute(query, (after, most)):
            rows.append((n, file, line, fingerprint, decode_row(row)))
            size += len(row)
            if size >= LONG_BATCH:
                break
        return rows

    def open_pending(self) -> None:
        """Creates the temporary table of prompts that need comparisons; it vanishes when the spool is closed."""
        path = self.path.with_name(f"{self.path.name}-asks")
        path.unlink(missing_ok=True)
        self.db.execute("ATTACH ? AS aside", (str(path),))
        self.db.execute("PRAGMA aside.journal_mode=OFF")
        self.db.execute("PRAGMA aside.synchronous=OFF")
        self.db.execute("CREATE TABLE aside.asks (prompt INTEGER PRIMARY KEY, rows INTEGER, judged INTEGER)")
        path.unlink()  # the open file stays usable, and nothing remains even if the process is killed

    def note_pending(self, pending: Iterable[tuple[int, bool]]) -> None:
        """Notes prompts that need comparisons.

        pending: (prompt id, whether the row is judged) of each row.
        """
        increments = "rows = rows + 1, judged = judged OR excluded.judged"
        self.db.execute("BEGIN")
        self.db.executemany(
            f"INSERT INTO asks VALUES (?, 1, ?) ON CONFLICT (prompt) DO UPDATE SET {increments}", pending
        )
        self.db.execute("COMMIT")

    def list_pending(self, after: int, most: int) -> list[tuple[int, int, int]]:
        """(prompt id, number of its rows, whether one of them is judged) of the next noted prompts, by id."""
        return self.db.execute("SELECT * FROM asks WHERE prompt > ? ORDER BY prompt LIMIT ?", (after, most)).fetchall()

    def list_fingerprints(self, after: int, most: int) -> list[tuple[int, str, str]]:
        """(n, fingerprint of the prompt, kind) of the next rows after the n-th."""
        query = "SELECT n, fingerprint, kind FROM rows WHERE n > ? ORDER BY n LIMIT ?"
        return self.db.execute(query, (after, most)).fetchall()

    def list_first_prompts(self, most: int) -> list[tuple[Prompt, list[Response]]]:
        """The first prompts, each with all its responses in the upload, for a preview."""
        first = self.db.execute("SELECT DISTINCT fingerprint FROM (SELECT fingerprint FROM rows ORDER BY n LIMIT 200)")
        fingerprints = [prompt_fingerprint for (prompt_fingerprint,) in first.fetchmany(most)]
        placeholders = ", ".join("?" * len(fingerprints))
        responses_of: dict[Prompt, dict[Response, None]] = {}
        for (text,) in self.db.execute(
            f"SELECT row FROM rows WHERE fingerprint IN ({placeholders}) LIMIT 200", fingerprints
        ):
            row = decode_row(text)
            responses_of.setdefault(row.prompt, {}).update(dict.fromkeys(row.responses))
        return [(prompt, list(responses)) for prompt, responses in responses_of.items()]

    def iter_refusals(self, after: int = 0, most: int = -1) -> Iterator[RefusedRow]:
        """The refusals after the n-th, at most `most`; -1: all."""
        cursor = self.db.execute("SELECT * FROM refused WHERE n > ? ORDER BY n LIMIT ?", (after, most))
        names = [column[0] for column in cursor.description]
        for values in cursor:
            refusal: Any = dict(zip(names, values, strict=True))
            refusal["row"] = parse_raw_row(json.loads(refusal["row"]))
            yield refusal


def escape_surrogates(text: str) -> str:
    r"""The text with lone surrogates, which the database cannot store, escaped.

    >>> escape_surrogates("half of a pair: \ud800")
    'half of a pair: \\ud800'
    """
    return text.encode("utf-8", "backslashreplace").decode()


def parse_raw_row(raw: Any) -> Any:
    """A refused row: text that is valid JSON is parsed, everything else is unchanged."""
    if isinstance(raw, str):
        try:
            return decoder.decode(raw)
        except (ValueError, RecursionError):
            return raw
    return raw


def get_spool_path(run: Import) -> Path:
    """The path of an import's spool, which exists from the check until the import is done, longer if rows are refused.

    >>> get_spool_path(Import(pk=7)).name
    'import-7.sqlite3'
    """
    return get_spool_folder() / f"import-{run.pk}.sqlite3"


def get_files_folder(run: Import) -> Path:
    """The folder of an import's files, which are kept as long as an admin may map their columns.

    >>> get_files_folder(Import(folder="task-1")).name
    'task-1'
    """
    return settings.DATA_DIR / "uploads" / Path(run.folder).name


def delete_files(run: Import) -> None:
    """Deletes the kept files of an import.

    >>> delete_files(Import(folder=""))
    """
    if run.folder:
        shutil.rmtree(get_files_folder(run), ignore_errors=True)

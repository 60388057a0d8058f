"""The spool: a checked upload on disk, before anything of it is stored. One SQLite file an upload, in DATA_DIR.

It also holds what the check must remember of every row (who said what of which pair), so that memory stays flat.
"""

import json
import sqlite3
import uuid

import msgspec
from django.conf import settings

from datasets.files.item import Item
from datasets.files.jsonl import decoder
from datasets.formats.rows import Refusal, Row
from datasets.imports.warnings import find_warnings
from datasets.text.fingerprints import fingerprint_prompt

EXAMPLES = 3
MOST_BESIDE = 600  # characters of a text that another is too like
LONG_BATCH = 4 << 20  # characters
encode_row = msgspec.json.Encoder().encode
decode_row = msgspec.json.Decoder(Row).decode  # fields may be fewer: they have defaults
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


def get_spool_folder():
    path = settings.DATA_DIR / "spool"
    path.mkdir(exist_ok=True)
    return path


class Spool:
    """An upload's rows and refusals, in the order in which they were read."""

    def __init__(self, path):
        self.path = path
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    @classmethod
    def create(cls):
        spool = cls(get_spool_folder() / f"{uuid.uuid4().hex}.sqlite3")
        spool.db.execute("PRAGMA page_size=16384")  # rows are long
        spool.db.execute("PRAGMA journal_mode=OFF")
        spool.db.execute("PRAGMA synchronous=OFF")
        spool.db.executescript(SCHEMA)
        spool.db.execute("BEGIN")
        return spool

    def finish(self):
        """All is checked: it is on disk."""
        self.db.execute("COMMIT")
        self.db.execute("PRAGMA synchronous=FULL")

    def close(self):
        self.db.close()

    def delete(self):
        self.close()
        self.path.unlink(missing_ok=True)

    def forget_rows(self):
        """All is stored: only the refusals are kept, to be looked at."""
        for table in ("rows", "counted", "named", "unnamed", "doubts", "besides", "doubted"):
            self.db.execute(f"DROP TABLE IF EXISTS {table}")
        self.db.execute("VACUUM")
        self.close()

    def add(self, file, rows):
        """Keep rows of a file, given as (line, Row), and note what is odd about them."""
        (last,) = self.db.execute("SELECT coalesce(max(n), 0) FROM rows").fetchone()
        row_values, warnings = [], []
        for n, (line, row) in enumerate(rows, last + 1):
            row_values.append(
                (n, file, line, row.kind, len(row.responses), fingerprint_prompt(row.prompt), encode_row(row))
            )
            warnings += [(warning, n, place) for warning, places in find_warnings(row).items() for place in places]
        self.db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", row_values)
        self.db.executemany("INSERT INTO doubts VALUES (?, ?, ?)", warnings)

    def refuse(self, file, item, refusal):
        """Keep a refusal with the row as it stood in the file."""
        values = (file, item.line, item.number, refusal.field, refusal.reason, refusal.detail)
        self.db.execute(
            "INSERT INTO refused (file, line, number, field, reason, detail, row) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*(escape_surrogates(value) for value in values), json.dumps(item.raw)),
        )

    def get_row(self, n):
        return decode_row(self.db.execute("SELECT row FROM rows WHERE n = ?", (n,)).fetchone()[0])

    def add_warning(self, warning, n, place, beside=""):
        """Note a warning about a response of the n-th row (-1: about its prompt), and the text that it is too like."""
        self.db.execute("INSERT OR IGNORE INTO doubts VALUES (?, ?, ?)", (warning, n, place))
        if beside:
            self.db.execute(
                "INSERT OR IGNORE INTO besides VALUES (?, ?, ?, ?)", (warning, n, place, beside[:MOST_BESIDE])
            )

    def add_near_prompt(self, prompt_fingerprint, n, beside):
        """Note a prompt that is too like another; n: the first row that has it."""
        self.db.execute("INSERT OR IGNORE INTO doubted VALUES (?, ?, ?)", (prompt_fingerprint, n, beside[:MOST_BESIDE]))

    def add_row_warnings(self, warning):
        """Let every row of the noted prompts have this warning."""
        self.db.execute("INSERT INTO besides SELECT ?, n, -1, text FROM doubted", (warning,))
        rows = "SELECT ?, rows.n, -1 FROM rows CROSS JOIN doubted ON doubted.fingerprint = rows.fingerprint"
        self.db.execute(f"INSERT OR IGNORE INTO doubts {rows}", (warning,))

    def list_warnings(self):
        """{warning: (how many rows, [(file, line, the text it is about, what that is too like or None) of the first])};
        a spool from before has none."""
        if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'besides'").fetchone():
            return {}
        counts = self.count_warnings()
        return {warning: (rows, self.list_examples(warning)) for warning, rows in counts.items()}

    def count_warnings(self):
        """{warning: how many rows}"""
        return dict(self.db.execute("SELECT doubt, count(DISTINCT n) FROM doubts GROUP BY doubt ORDER BY doubt"))

    def list_examples(self, warning):
        tables = "doubts JOIN rows USING (n) LEFT JOIN besides USING (doubt, n, place)"
        query = f"SELECT file, line, row, place, text FROM {tables} WHERE doubt = ? ORDER BY text IS NULL, n LIMIT ?"
        example_rows = self.db.execute(query, (warning, EXAMPLES)).fetchall()
        return [
            (file, line, get_warned_text(decode_row(row), place), beside)
            for file, line, row, place, beside in example_rows
        ]

    def leave_out(self, warning):
        """Take the rows with this warning out, into the refused ones. How many."""
        query = "SELECT DISTINCT n, file, line, row FROM doubts JOIN rows USING (n) WHERE doubt = ? ORDER BY n"
        removed = self.db.execute(query, (warning,)).fetchall()
        for n, file, line, text in removed:
            row = decode_row(text)
            raw = {"prompt": row.prompt.instruction, "responses": [response.text for response in row.responses]}
            self.refuse(file, Item(line, {}, raw, n), Refusal("left_out", "", warning))
            self.db.execute("DELETE FROM rows WHERE n = ?", (n,))
        return len(removed)

    def find_vote(self, key):
        """(verdict, place) of the earlier vote of this person on this pair; None when there is none."""
        return self.db.execute("SELECT verdict, place FROM named WHERE key = ?", (key,)).fetchone()

    def add_vote(self, key, verdict, place):
        self.db.execute("INSERT OR IGNORE INTO named VALUES (?, ?, ?)", (key, verdict, place))

    def number_vote(self, key):
        """The how-manieth vote of nobody in particular this is, among equal ones."""
        self.db.execute("INSERT INTO unnamed VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET times = times + 1", (key,))
        return self.db.execute("SELECT times FROM unnamed WHERE key = ?", (key,)).fetchone()[0]

    def count(self, table):
        return self.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def count_prompts(self):
        """How many prompts there are; counted when first asked for, as that takes a second or two for a million."""
        if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'counted'").fetchone():
            query = "SELECT count(DISTINCT fingerprint) AS prompts FROM rows"
            self.db.execute(f"CREATE TABLE IF NOT EXISTS counted AS {query}")
        return self.db.execute("SELECT prompts FROM counted").fetchone()[0]

    def count_by_kind(self):
        """{kind: (rows, responses)} of what the check let through."""
        counts = self.db.execute("SELECT kind, count(*), sum(responses) FROM rows GROUP BY kind")
        return {kind: (rows, responses) for kind, rows, responses in counts}

    def iter_batches(self, after, most):
        """[(n, file, line, fingerprint of the prompt, Row)] after [(…)] of the rows after the n-th, so many at once;
        fewer where these are long."""
        while rows := self.list_rows(after, most):
            yield rows
            after = rows[-1][0]

    def list_rows(self, after, most):
        query = "SELECT n, file, line, fingerprint, row FROM rows WHERE n > ? ORDER BY n LIMIT ?"
        rows, size = [], 0
        for *place, row in self.db.execute(query, (after, most)):
            rows.append((*place, decode_row(row)))
            size += len(row)
            if size >= LONG_BATCH:
                break
        return rows

    def open_pending(self):
        """Note from here on which prompts (ids) the rows ask something for; not for longer than this is open."""
        path = self.path.with_name(f"{self.path.name}-asks")
        path.unlink(missing_ok=True)
        self.db.execute("ATTACH ? AS aside", (str(path),))
        self.db.execute("PRAGMA aside.journal_mode=OFF")
        self.db.execute("PRAGMA aside.synchronous=OFF")
        self.db.execute("CREATE TABLE aside.asks (prompt INTEGER PRIMARY KEY, rows INTEGER, judged INTEGER)")
        path.unlink()  # whatever becomes of this process, nothing of it stays

    def note_pending(self, pending):
        """Note [(prompt id, whether the row is judged)]."""
        increments = "rows = rows + 1, judged = judged OR excluded.judged"
        self.db.execute("BEGIN")
        self.db.executemany(
            f"INSERT INTO asks VALUES (?, 1, ?) ON CONFLICT (prompt) DO UPDATE SET {increments}", pending
        )
        self.db.execute("COMMIT")

    def list_pending(self, after, most):
        """[(prompt id, how many rows it has, whether one of them is judged)] of the next prompts after this one."""
        return self.db.execute("SELECT * FROM asks WHERE prompt > ? ORDER BY prompt LIMIT ?", (after, most)).fetchall()

    def list_fingerprints(self, after, most):
        """[(n, fingerprint of the prompt, kind)] of the next rows after the n-th."""
        query = "SELECT n, fingerprint, kind FROM rows WHERE n > ? ORDER BY n LIMIT ?"
        return self.db.execute(query, (after, most)).fetchall()

    def list_first_prompts(self, most):
        """[(rows.Prompt, [rows.Response])] of the first prompts, with all the answers that the files hold for each."""
        first = self.db.execute("SELECT DISTINCT fingerprint FROM (SELECT fingerprint FROM rows ORDER BY n LIMIT 200)")
        fingerprints = [prompt_fingerprint for (prompt_fingerprint,) in first.fetchmany(most)]
        placeholders = ", ".join("?" * len(fingerprints))
        responses_of = {}
        for (text,) in self.db.execute(
            f"SELECT row FROM rows WHERE fingerprint IN ({placeholders}) LIMIT 200", fingerprints
        ):
            row = decode_row(text)
            responses_of.setdefault(row.prompt, {}).update(dict.fromkeys(row.responses))
        return [(prompt, list(responses)) for prompt, responses in responses_of.items()]

    def iter_refusals(self, after=0, most=-1):
        """Refusals as dicts: n, file, line, number, field, reason, detail, row (the object, or its text)."""
        cursor = self.db.execute("SELECT * FROM refused WHERE n > ? ORDER BY n LIMIT ?", (after, most))
        names = [column[0] for column in cursor.description]
        for values in cursor:
            refusal = dict(zip(names, values, strict=True))
            yield {**refusal, "row": parse_raw_row(json.loads(refusal["row"]))}


def get_warned_text(row, place):
    """The text of a row that a warning is about."""
    return row.prompt.instruction if place < 0 else row.responses[place].text


def escape_surrogates(value):
    """The value; in a text, what cannot be stored is spelled out."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def parse_raw_row(raw):
    """A refused row as an object where it is one, else as the text that stood there."""
    if isinstance(raw, str):
        try:
            return decoder.decode(raw)
        except (ValueError, RecursionError):
            return raw
    return raw

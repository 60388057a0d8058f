"""The spool: a checked upload on disk, before anything of it is stored. One SQLite file an upload, in DATA_DIR.

It also holds what the check must remember of every row (who said what of which pair), so that memory stays flat.
"""

import json
import sqlite3
import uuid

import msgspec
from django.conf import settings

from datasets.files.detect import Item, decoder
from datasets.formats.rows import Refused, Row
from datasets.imports.warnings import doubts
from datasets.text.fingerprints import fingerprint

EXAMPLES = 3
SHOWN = 600  # characters of a text that another is too like
LONG_BATCH = 4 << 20  # characters
packed, unpacked = msgspec.json.Encoder().encode, msgspec.json.Decoder(Row).decode  # fields may be fewer: have defaults
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


def folder():
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
        spool = cls(folder() / f"{uuid.uuid4().hex}.sqlite3")
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
        kept, found = [], []
        for n, (line, row) in enumerate(rows, last + 1):
            kept.append((n, file, line, row.kind, len(row.responses), fingerprint(row.prompt), packed(row)))
            found += [(doubt, n, place) for doubt, places in doubts(row).items() for place in places]
        self.db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", kept)
        self.db.executemany("INSERT INTO doubts VALUES (?, ?, ?)", found)

    def refuse(self, file, item, refused):
        """Keep a refusal with the row as it stood in the file."""
        values = (file, item.line, item.number, refused.field, refused.reason, refused.detail)
        self.db.execute(
            "INSERT INTO refused (file, line, number, field, reason, detail, row) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*(storable(value) for value in values), json.dumps(item.raw)),
        )

    def row(self, n):
        return unpacked(self.db.execute("SELECT row FROM rows WHERE n = ?", (n,)).fetchone()[0])

    def doubt(self, doubt, n, place, beside=""):
        """Note a doubt about a response of the n-th row (-1: about its prompt), and the text that it is too like."""
        self.db.execute("INSERT OR IGNORE INTO doubts VALUES (?, ?, ?)", (doubt, n, place))
        if beside:
            self.db.execute("INSERT OR IGNORE INTO besides VALUES (?, ?, ?, ?)", (doubt, n, place, beside[:SHOWN]))

    def doubt_prompt(self, mark, n, beside):
        """Note a prompt that is too like another; n: the first row that has it."""
        self.db.execute("INSERT OR IGNORE INTO doubted VALUES (?, ?, ?)", (mark, n, beside[:SHOWN]))

    def doubt_rows_of_prompts(self, doubt):
        """Let every row of the noted prompts be doubted."""
        self.db.execute("INSERT INTO besides SELECT ?, n, -1, text FROM doubted", (doubt,))
        rows = "SELECT ?, rows.n, -1 FROM rows CROSS JOIN doubted ON doubted.fingerprint = rows.fingerprint"
        self.db.execute(f"INSERT OR IGNORE INTO doubts {rows}", (doubt,))

    def doubtful(self):
        """{doubt: (how many rows, [(file, line, the doubtful text, what it is too like or None) of the first])}; a
        spool from before has none."""
        if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'besides'").fetchone():
            return {}
        counts = self.doubt_counts()
        return {doubt: (rows, self.examples(doubt)) for doubt, rows in counts.items()}

    def doubt_counts(self):
        """{doubt: how many rows}"""
        return dict(self.db.execute("SELECT doubt, count(DISTINCT n) FROM doubts GROUP BY doubt ORDER BY doubt"))

    def examples(self, doubt):
        tables = "doubts JOIN rows USING (n) LEFT JOIN besides USING (doubt, n, place)"
        query = f"SELECT file, line, row, place, text FROM {tables} WHERE doubt = ? ORDER BY text IS NULL, n LIMIT ?"
        found = self.db.execute(query, (doubt, EXAMPLES)).fetchall()
        return [(file, line, doubted(unpacked(row), place), beside) for file, line, row, place, beside in found]

    def leave_out(self, doubt):
        """Take the rows with this doubt out, into the refused ones. How many."""
        query = "SELECT DISTINCT n, file, line, row FROM doubts JOIN rows USING (n) WHERE doubt = ? ORDER BY n"
        taken = self.db.execute(query, (doubt,)).fetchall()
        for n, file, line, text in taken:
            row = unpacked(text)
            raw = {"prompt": row.prompt.instruction, "responses": [response.text for response in row.responses]}
            self.refuse(file, Item(line, {}, raw, n), Refused("left_out", "", doubt))
            self.db.execute("DELETE FROM rows WHERE n = ?", (n,))
        return len(taken)

    def said_before(self, key):
        """(verdict, place) of the earlier vote of this person on this pair; None when there is none."""
        return self.db.execute("SELECT verdict, place FROM named WHERE key = ?", (key,)).fetchone()

    def remember(self, key, verdict, place):
        self.db.execute("INSERT OR IGNORE INTO named VALUES (?, ?, ?)", (key, verdict, place))

    def times(self, key):
        """The how-manieth vote of nobody in particular this is, among equal ones."""
        self.db.execute("INSERT INTO unnamed VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET times = times + 1", (key,))
        return self.db.execute("SELECT times FROM unnamed WHERE key = ?", (key,)).fetchone()[0]

    def count(self, table):
        return self.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def prompts(self):
        """How many prompts there are; counted when first asked for, as that takes a second or two for a million."""
        if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'counted'").fetchone():
            counted = "SELECT count(DISTINCT fingerprint) AS prompts FROM rows"
            self.db.execute(f"CREATE TABLE IF NOT EXISTS counted AS {counted}")
        return self.db.execute("SELECT prompts FROM counted").fetchone()[0]

    def kinds(self):
        """{kind: (rows, responses)} of what the check let through."""
        found = self.db.execute("SELECT kind, count(*), sum(responses) FROM rows GROUP BY kind")
        return {kind: (rows, responses) for kind, rows, responses in found}

    def batches(self, after, most):
        """[(n, file, line, fingerprint of the prompt, Row)] after [(…)] of the rows after the n-th, so many at once;
        fewer where these are long."""
        while found := self.some_rows(after, most):
            yield found
            after = found[-1][0]

    def some_rows(self, after, most):
        query = "SELECT n, file, line, fingerprint, row FROM rows WHERE n > ? ORDER BY n LIMIT ?"
        found, size = [], 0
        for *place, row in self.db.execute(query, (after, most)):
            found.append((*place, unpacked(row)))
            size += len(row)
            if size >= LONG_BATCH:
                break
        return found

    def begin_asks(self):
        """Note from here on which prompts (ids) the rows ask something for; not for longer than this is open."""
        path = self.path.with_name(f"{self.path.name}-asks")
        path.unlink(missing_ok=True)
        self.db.execute("ATTACH ? AS aside", (str(path),))
        self.db.execute("PRAGMA aside.journal_mode=OFF")
        self.db.execute("PRAGMA aside.synchronous=OFF")
        self.db.execute("CREATE TABLE aside.asks (prompt INTEGER PRIMARY KEY, rows INTEGER, judged INTEGER)")
        path.unlink()  # whatever becomes of this process, nothing of it stays

    def ask(self, asks):
        """Note [(prompt id, whether the row is judged)]."""
        again = "rows = rows + 1, judged = judged OR excluded.judged"
        self.db.execute("BEGIN")
        self.db.executemany(f"INSERT INTO asks VALUES (?, 1, ?) ON CONFLICT (prompt) DO UPDATE SET {again}", asks)
        self.db.execute("COMMIT")

    def asks(self, after, most):
        """[(prompt id, how many rows it has, whether one of them is judged)] of the next prompts after this one."""
        return self.db.execute("SELECT * FROM asks WHERE prompt > ? ORDER BY prompt LIMIT ?", (after, most)).fetchall()

    def marks(self, after, most):
        """[(n, fingerprint of the prompt, kind)] of the next rows after the n-th."""
        query = "SELECT n, fingerprint, kind FROM rows WHERE n > ? ORDER BY n LIMIT ?"
        return self.db.execute(query, (after, most)).fetchall()

    def first_prompts(self, most):
        """[(rows.Prompt, [rows.Response])] of the first prompts, with all the answers that the files hold for each."""
        first = self.db.execute("SELECT DISTINCT fingerprint FROM (SELECT fingerprint FROM rows ORDER BY n LIMIT 200)")
        marks = [mark for (mark,) in first.fetchmany(most)]
        places = ", ".join("?" * len(marks))
        found = {}
        for (text,) in self.db.execute(f"SELECT row FROM rows WHERE fingerprint IN ({places}) LIMIT 200", marks):
            row = unpacked(text)
            found.setdefault(row.prompt, {}).update(dict.fromkeys(row.responses))
        return [(prompt, list(responses)) for prompt, responses in found.items()]

    def refusals(self, after=0, most=-1):
        """Refusals as dicts: n, file, line, number, field, reason, detail, row (the object, or its text)."""
        cursor = self.db.execute("SELECT * FROM refused WHERE n > ? ORDER BY n LIMIT ?", (after, most))
        names = [column[0] for column in cursor.description]
        for values in cursor:
            refusal = dict(zip(names, values, strict=True))
            yield {**refusal, "row": shown(json.loads(refusal["row"]))}


def doubted(row, place):
    """The text of a row that a doubt is about."""
    return row.prompt.instruction if place < 0 else row.responses[place].text


def storable(value):
    """The value; in a text, what cannot be stored is spelled out."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def shown(raw):
    """A refused row as an object where it is one, else as the text that stood there."""
    if isinstance(raw, str):
        try:
            return decoder.decode(raw)
        except (ValueError, RecursionError):
            return raw
    return raw

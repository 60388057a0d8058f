"""Bundles that are kept: byte for byte the same for ever, whatever becomes of judgments and people; and what differs
between two of them."""

import csv
import hashlib
import io
import itertools
import sqlite3
import tempfile
import zipfile
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from datasets.db.write_lock import write_turn
from datasets.models import Snapshot, SnapshotPart

PART = 128 * 1024  # a backup holds two hundred of them in memory
PARTS_AT_ONCE = 8
TRIES = 5
EXAMPLES = 20
STALE = timedelta(hours=6)


def save_snapshot(dataset, path, manifest, made_at, made_by):
    """Keep an archive; its Snapshot. Stored in short transactions; it is there once it is whole."""
    Snapshot.objects.filter(is_whole=False, made_at__lt=timezone.now() - STALE).delete()
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(PART):
            digest.update(chunk)
    fields = {"made_at": made_at, "made_by": made_by, "manifest": manifest, "size": path.stat().st_size}
    snapshot = create_snapshot(dataset, sha256=digest.hexdigest(), **fields)
    with open(path, "rb") as file:
        pieces = enumerate(iter(lambda: file.read(PART), b""))
        while chunk := list(itertools.islice(pieces, PARTS_AT_ONCE)):
            with write_turn():
                SnapshotPart.objects.bulk_create(
                    SnapshotPart(snapshot=snapshot, number=n, data=data) for n, data in chunk
                )
    with write_turn():
        Snapshot.objects.filter(pk=snapshot.pk).update(is_whole=True)
    snapshot.is_whole = True
    return snapshot


def create_snapshot(dataset, **fields):
    """A Snapshot with the next number."""
    for attempt in range(TRIES):
        last = Snapshot.objects.filter(dataset=dataset).aggregate(last=Max("number"))["last"] or 0
        try:
            with write_turn(), transaction.atomic():
                return Snapshot.objects.create(dataset=dataset, number=last + 1, **fields)
        except IntegrityError:  # another has taken the number
            if attempt == TRIES - 1:
                raise


def iter_content(snapshot):
    """The archive's bytes, a piece at a time."""
    for data in snapshot.parts.order_by("number").values_list("data", flat=True).iterator(chunk_size=PARTS_AT_ONCE):
        yield bytes(data)


@dataclass
class Difference:
    """How many rows (pairs and demonstrations) are only in the new snapshot, in both but not the same, only in the old
    one; and how the prompts of the first of each begin."""

    added: int
    changed: int
    removed: int
    examples: dict


def compare_snapshots(old, new):
    """What differs between two snapshots, by their pairs.csv: a pair has changed where the other answer won, or the
    part is another. On disk, not in memory."""
    with tempfile.NamedTemporaryFile(suffix=".sqlite3") as place:
        db = sqlite3.connect(place.name, isolation_level=None)
        db.execute("PRAGMA journal_mode=OFF")
        db.execute("PRAGMA synchronous=OFF")
        for name, snapshot in (("old", old), ("new", new)):
            db.execute(f"CREATE TABLE {name} (key TEXT PRIMARY KEY, said TEXT, begins TEXT) WITHOUT ROWID")
            db.execute("BEGIN")
            db.executemany(f"INSERT OR REPLACE INTO {name} VALUES (?, ?, ?)", iter_rows(snapshot))
            db.execute("COMMIT")
        samples = {kind: sample_rows(db, *query) for kind, query in QUERIES.items()}
        db.close()
    counts = {kind: n for kind, (n, _) in samples.items()}
    return Difference(**counts, examples={kind: beginnings for kind, (_, beginnings) in samples.items()})


QUERIES = {
    "added": ("new.begins", "new LEFT JOIN old USING (key) WHERE old.key IS NULL"),
    "changed": ("new.begins", "new JOIN old USING (key) WHERE old.said <> new.said"),
    "removed": ("old.begins", "old LEFT JOIN new USING (key) WHERE new.key IS NULL"),
}


def sample_rows(db, begins, where):
    """(how many, how the prompts of the first of them begin)"""
    (n,) = db.execute(f"SELECT count(*) FROM {where}").fetchone()
    return n, [text for (text,) in db.execute(f"SELECT {begins} FROM {where} ORDER BY key LIMIT {EXAMPLES}")]


def iter_rows(snapshot):
    """(key, what is said, how the prompt begins) of the rows of its pairs.csv. Where one pair stands several
    times, as in one row per judgment, the times count."""
    with tempfile.TemporaryFile() as file:
        for chunk in iter_content(snapshot):
            file.write(chunk)
        with zipfile.ZipFile(file) as archive, archive.open("pairs.csv") as member:
            counts = {}
            for row in csv.DictReader(io.TextIOWrapper(member, encoding="utf-8", newline="")):
                pair = sorted([row["chosen"], row["rejected"]])
                key = [row["kind"], row["prompt"], *pair]
                counts = counts if counts.get("prompt") == row["prompt"] else {"prompt": row["prompt"]}
                counts[tuple(key)] = counts.get(tuple(key), 0) + 1
                winner = "1" if row["chosen"] == pair[0] else "2"
                outcome = f"{row['part']} {winner}" if row["kind"] == "pair" else row["part"]
                yield "\0".join([*key, str(counts[tuple(key)])]), outcome, row["begins"]

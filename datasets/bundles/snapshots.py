"""Snapshots: bundles stored byte for byte, whatever happens to judgments and people; and the diff of two of them."""

import csv
import hashlib
import io
import itertools
import sqlite3
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from datasets.db.write_lock import write_turn
from datasets.models import Dataset, Snapshot, SnapshotPart

PART = 128 * 1024  # bytes; a backup holds two hundred parts in memory
PARTS_AT_ONCE = 8
TRIES = 5
EXAMPLES = 20
STALE = timedelta(hours=6)  # age at which an incomplete snapshot counts as abandoned


def save_snapshot(dataset: Dataset, path: Path, manifest: Any, made_at: datetime, made_by: str) -> Snapshot:
    """Stores an archive as a Snapshot, in short transactions; it becomes visible when all its parts are stored.

    Deletes abandoned incomplete snapshots.

    manifest: see `card.Manifest`.
    made_by: username, or "" for a command.
    """
    Snapshot.objects.filter(is_whole=False, made_at__lt=timezone.now() - STALE).delete()
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(PART):
            digest.update(chunk)
    fields = {"made_at": made_at, "made_by": made_by, "manifest": manifest, "size": path.stat().st_size}
    snapshot = create_snapshot(dataset, sha256=digest.hexdigest(), **fields)
    with open(path, "rb") as file:
        pieces = enumerate(iter(lambda: file.read(PART), b""))
        while batch := list(itertools.islice(pieces, PARTS_AT_ONCE)):
            with write_turn():
                SnapshotPart.objects.bulk_create(
                    SnapshotPart(snapshot=snapshot, number=n, data=data) for n, data in batch
                )
    with write_turn():
        Snapshot.objects.filter(pk=snapshot.pk).update(is_whole=True)
    snapshot.is_whole = True
    return snapshot


def create_snapshot(dataset: Dataset, **fields: Any) -> Snapshot:
    """A new Snapshot with the next number; retries where a concurrent process has taken that."""
    for attempt in range(TRIES):
        last = Snapshot.objects.filter(dataset=dataset).aggregate(last=Max("number"))["last"] or 0
        try:
            with write_turn(), transaction.atomic():
                return Snapshot.objects.create(dataset=dataset, number=last + 1, **fields)
        except IntegrityError:
            if attempt == TRIES - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def iter_content(snapshot: Snapshot) -> Iterator[bytes]:
    """The archive's bytes, one part at a time."""
    for data in snapshot.parts.order_by("number").values_list("data", flat=True).iterator(chunk_size=PARTS_AT_ONCE):
        yield bytes(data)


@dataclass
class Difference:
    """Number of rows (pairs and demonstrations) that two snapshots do not share.

    added: only in the new one.
    changed: in both, but with the other winner or in another part.
    removed: only in the old one.
    examples: {"added", "changed" or "removed": beginnings of the first prompts}.
    """

    added: int
    changed: int
    removed: int
    examples: dict[str, list[str]]


def compare_snapshots(old: Snapshot, new: Snapshot) -> Difference:
    """Difference between two snapshots, by their pairs.csv. Compares them on disk, not in memory."""
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
    examples = {kind: beginnings for kind, (_, beginnings) in samples.items()}
    return Difference(counts["added"], counts["changed"], counts["removed"], examples)


QUERIES = {
    "added": ("new.begins", "new LEFT JOIN old USING (key) WHERE old.key IS NULL"),
    "changed": ("new.begins", "new JOIN old USING (key) WHERE old.said <> new.said"),
    "removed": ("old.begins", "old LEFT JOIN new USING (key) WHERE new.key IS NULL"),
}


def sample_rows(db: sqlite3.Connection, begins: str, where: str) -> tuple[int, list[str]]:
    """(number of rows, beginnings of the first prompts)

    begins, where: SQL, see QUERIES.
    """
    (n,) = db.execute(f"SELECT count(*) FROM {where}").fetchone()
    return n, [text for (text,) in db.execute(f"SELECT {begins} FROM {where} ORDER BY key LIMIT {EXAMPLES}")]


def iter_rows(snapshot: Snapshot) -> Iterator[tuple[str, str, str]]:
    """(key, outcome, beginning of the prompt) of each row of a snapshot's pairs.csv.

    Rows of the same pair, as in exports with one row per judgment, are numbered in their keys.
    """
    with tempfile.TemporaryFile() as file:
        for chunk in iter_content(snapshot):
            file.write(chunk)
        with zipfile.ZipFile(file) as archive, archive.open("pairs.csv") as member:
            counts: Counter[tuple[str, ...]] = Counter()  # of the current prompt, whose rows are adjacent
            prompt = None
            for row in csv.DictReader(io.TextIOWrapper(member, encoding="utf-8", newline="")):
                pair = sorted([row["chosen"], row["rejected"]])
                key = (row["kind"], row["prompt"], *pair)
                if row["prompt"] != prompt:
                    counts.clear()
                    prompt = row["prompt"]
                counts[key] += 1
                winner = "1" if row["chosen"] == pair[0] else "2"
                outcome = f"{row['part']} {winner}" if row["kind"] == "pair" else row["part"]
                yield "\0".join([*key, str(counts[key])]), outcome, row["begins"]

"""A bundle: one archive with the files of several dialects, in parts, and all that is to be said about them.

Everything in it is of one moment. The archive is kept as a Snapshot; card.py writes what is for people and
trainers to read.
"""

import contextlib
import csv
import hashlib
import json
import tempfile
import zipfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from django.conf import settings as project
from django.utils import timezone

from datasets.bundles import card
from datasets.bundles.snapshots import save_snapshot
from datasets.db.consistent_read import consistent_read
from datasets.exports.export import ROW_BUILDERS, Writer, count_left_out, count_skips, sort_counts
from datasets.exports.query import iter_export_prompts
from datasets.exports.selection import Filters, VoteSelector
from datasets.files.writers import encode_line
from datasets.formats import get_writable_formats, rows
from datasets.formats.message_lists import build_turns
from datasets.models import Prompt
from datasets.text.fingerprints import hash_text
from datasets.text.near_duplicates import PARTS, assign_groups, pick_part

# What every consumer of FORMATS.md is served with.
DIALECTS = ("dpo", "dpo-implicit", "dpo-sharegpt", "alpaca", "sharegpt", "messages", "kto", "kto-messages", "reward")
SHARES = (80, 10, 10)
BUNDLE = "bundle"
PAIRS, LEFT_OUT = "pairs.csv", "left-out.jsonl"
PIECE = 1 << 20
PAIRS_COLUMNS = (
    "kind", "part", "prompt", "chosen", "rejected", "strength", "votes_chosen", "votes_total", "begins",
)  # fmt: skip
BEGINS = 80


@dataclass(frozen=True)
class Settings:
    """What a bundle holds. shares: of train, validation and test, in percent; (100, 0, 0) is not split."""

    filters: Filters = field(default_factory=Filters)
    dialects: tuple[str, ...] = DIALECTS
    shares: tuple[int, int, int] = SHARES

    @property
    def is_split(self):
        return self.shares != (100, 0, 0)


def get_dialects():
    """The dialects that a bundle may hold: those of rows that are made from choices."""
    return [name for name, module in get_writable_formats().items() if ROW_BUILDERS[module.WRITES]]


def make_bundle(dataset, settings, made_by="", progress=lambda done, total: None):
    """Make the archive and keep it; the Snapshot. progress(done, total) is called between two prompts."""
    with temporary_archive(dataset, settings, made_by, progress) as (path, manifest, made_at):
        return save_snapshot(dataset, path, manifest, made_at, made_by)


@contextlib.contextmanager
def temporary_archive(dataset, settings, made_by="", progress=lambda done, total: None):
    """(path, manifest, when) of an archive that is there for as long as it is looked at."""
    assign_groups(dataset)
    made_at = timezone.now()
    with tempfile.TemporaryDirectory(dir=project.DATA_DIR, prefix="bundle-") as name:
        folder = Path(name)
        with consistent_read():
            bundle_writer = BundleWriter(dataset, settings, folder)
            bundle_writer.write(progress)
        manifest = bundle_writer.build_manifest(made_at, made_by)
        archive = folder / "bundle.zip"
        write_archive(archive, bundle_writer.iter_members(), manifest, made_at)
        yield archive, manifest, made_at


class Lengths:
    """How long texts are, in characters. Memory holds one number for each length that there is."""

    def __init__(self):
        self.times = Counter()

    def build_summary(self):
        """{longest, p95}: 95 of 100 are at most so long; 0 where there is none."""
        wanted, seen = 0.95 * self.times.total(), 0
        p95 = 0
        for length in sorted(self.times):
            p95, seen = length, seen + self.times[length]
            if seen >= wanted:
                break
        return {"longest": max(self.times, default=0), "p95": p95}


class PartFile:
    """One dialect's rows of one part, on disk. The first of the fittest rows goes to the front in the end."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.rows, self.lead, self.fitness = path, 0, (0, 0), 0
        self.file = open(path, "wb")  # noqa: SIM115 - closed when all is written

    def add(self, row, fitness):
        line = encode_line(row)
        if fitness > self.fitness:
            self.lead, self.fitness = (self.file.tell(), len(line)), fitness
        self.file.write(line)
        self.rows += 1

    def iter_bytes(self):
        """The bytes of the file, the row that leads in front."""
        self.file.close()
        start, length = self.lead
        yield from read_pieces(self.path, start, start + length)
        yield from read_pieces(self.path, 0, start)
        yield from read_pieces(self.path, start + length)


class BundleWriter:
    """A bundle that is being written into a folder."""

    def __init__(self, dataset, settings, folder):
        self.dataset, self.settings, self.folder = dataset, settings, folder
        self.chooser = VoteSelector(settings.filters)
        self.writers = {name: Writer(name, settings.filters.mode) for name in settings.dialects}
        self.files = {}  # (dialect, part) -> PartFile
        self.prompts, self.answers = Lengths(), Lengths()
        self.counts = Counter()
        self.labels = Counter()

    def write(self, progress):
        """Everything that is read from the database."""
        total = Prompt.objects.filter(dataset=self.dataset).count()
        with (
            open(self.folder / PAIRS, "w", encoding="utf-8", newline="") as pairs,
            open(self.folder / LEFT_OUT, "w", encoding="utf-8") as left_out,
        ):
            table = csv.writer(pairs, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
            table.writerow(PAIRS_COLUMNS)
            for writer in self.writers.values():
                writer.on_refused = lambda reason, row, name=writer.name: left_out.write(
                    format_refusal(name, reason, row)
                )
            for number, export_prompt in enumerate(iter_export_prompts(self.dataset, self.chooser, self.choose_part)):
                progress(number, total)
                self.write_prompt(export_prompt)
                table.writerows(iter_pair_rows(export_prompt))
        self.skips, self.flags = count_skips(self.dataset)

    def choose_part(self, prompt):
        return pick_part(prompt.group or prompt.fingerprint, self.settings.shares)

    def write_prompt(self, export_prompt):
        used = {pk for pair in export_prompt.pairs for pk in (pair.chosen, pair.rejected)}
        used.update(export_prompt.demonstrations)
        if used:
            self.prompts.times[sum(len(words) for _, words in build_turns(export_prompt.row))] += 1
            self.answers.times.update(len(export_prompt.texts[pk]) for pk in used)
            self.counts.update(prompts=1, responses=len(used), pairs=len(export_prompt.pairs))
        for name, writer in self.writers.items():
            for row in writer.iter_rows(export_prompt):
                self.open_file(name, export_prompt.part).add(row, writer.rate_fitness(row))
                if writer.module.WRITES is rows.Label:
                    self.labels[row["label"]] += name == self.label_dialect

    @property
    def label_dialect(self):
        """The first dialect with labels, whose rows are counted."""
        return next((name for name, one in self.writers.items() if one.module.WRITES is rows.Label), None)

    def open_file(self, name, part):
        if (name, part) not in self.files:
            self.files[name, part] = PartFile(self.folder / card.get_member_path(name, part, self.settings.is_split))
        return self.files[name, part]

    def build_manifest(self, made_at, made_by):
        """What the archive holds and how it came to be, as plain values."""
        places = sorted(self.files, key=lambda place: (self.settings.dialects.index(place[0]), PARTS.index(place[1])))
        files = {
            card.get_member_path(name, part, self.settings.is_split): {
                "dialect": name,
                "part": part,
                "rows": self.files[name, part].rows,
            }
            for name, part in places
        }
        filters = asdict(self.settings.filters)
        return {
            "dataset": self.dataset.slug,
            "name": str(self.dataset),
            "made_at": made_at.isoformat(timespec="milliseconds"),
            "made_by": made_by,
            "software": f"Chosen {version('chosen')}",
            "settings": {
                **{key: convert_setting(value) for key, value in filters.items()},
                "dialects": list(self.settings.dialects),
                "shares": dict(zip(PARTS, self.settings.shares, strict=True)),
            },
            "counts": {
                **{key: self.counts[key] for key in ("prompts", "responses", "pairs")},
                "skips": self.skips,
                "flags": self.flags,
            },
            "left_out": sort_counts(self.chooser.left_out),
            "dialects": {
                name: {
                    "rows": sum(file.rows for (dialect, _), file in self.files.items() if dialect == name),
                    "left_out": count_left_out(self.chooser.left_out, writer),
                    "warnings": sort_counts(writer.warnings),
                }
                for name, writer in self.writers.items()
            },
            "characters": {"prompt": self.prompts.build_summary(), "answer": self.answers.build_summary()},
            "flip_rate": self.chooser.estimate_flip_rate(),
            "votes_alike": self.chooser.alike,
            "votes_unlike": self.chooser.unlike,
            "labels": {"true": self.labels[True], "false": self.labels[False]},
            "files": files,
        }

    def iter_members(self):
        """(name, the bytes, some at a time) of each file that was written."""
        for (name, part), file in self.files.items():
            yield card.get_member_path(name, part, self.settings.is_split), file.iter_bytes()
        for name in (PAIRS, LEFT_OUT):
            yield name, read_pieces(self.folder / name)


def convert_setting(value):
    """A setting as JSON holds it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def format_refusal(name, reason, row):
    """A line of left-out.jsonl: a row that a dialect's rules do not take."""
    line = {"dialect": name, "reason": reason, **row._asdict(), "prompt": row.prompt._asdict()}
    return json.dumps(line, ensure_ascii=False) + "\n"


def iter_pair_rows(export_prompt):
    """The lines of pairs.csv of one prompt; texts by their SHA-256."""
    texts = {pk: hash_text(text) for pk, text in export_prompt.texts.items()}
    prompt, begins = export_prompt.prompt.fingerprint, export_prompt.prompt.instruction[:BEGINS]
    for pair in export_prompt.pairs:
        counts = (pair.strength, *pair.votes)
        yield "pair", export_prompt.part, prompt, texts[pair.chosen], texts[pair.rejected], *counts, begins
    for pk in export_prompt.demonstrations:
        yield "demonstration", export_prompt.part, prompt, texts[pk], "", "", "", "", begins


def read_pieces(path, start=0, end=None):
    """The bytes of a file from here to there, some at a time."""
    left = (path.stat().st_size if end is None else end) - start
    with open(path, "rb") as file:
        file.seek(start)
        while left and (piece := file.read(min(left, PIECE))):
            left -= len(piece)
            yield piece


def write_archive(path, members, manifest, made_at):
    """Write the archive; the manifest gets the size and the SHA-256 of all that is in it but itself."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in [*members, *((name, [text]) for name, text in card.build_texts(manifest).items())]:
            digest, size = hashlib.sha256(), 0
            with archive.open(build_zip_info(name, made_at), "w", force_zip64=True) as member:
                for piece in content:
                    digest.update(piece)
                    size += len(piece)
                    member.write(piece)
            manifest["files"].setdefault(name, {}).update(bytes=size, sha256=digest.hexdigest())
        archive.writestr(build_zip_info("manifest.json", made_at), card.encode_json(manifest))


def build_zip_info(name, made_at):
    info = zipfile.ZipInfo(name, made_at.timetuple()[:6])
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return info

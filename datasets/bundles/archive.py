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
from datasets.bundles.snapshots import keep
from datasets.db.consistent_read import one_moment
from datasets.exports.export import STATES, Writer, counted, passed_over, prompts_asked, reckoned
from datasets.exports.selection import Chooser, Filters
from datasets.files.writers import json_line
from datasets.formats import rows, writable
from datasets.formats.writing import turns
from datasets.models import Prompt
from datasets.text.fingerprints import sha256
from datasets.text.near_duplicates import PARTS, give_groups, part_of

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


def bundled():
    """The dialects that a bundle may hold: those of rows that are made from choices."""
    return [name for name, module in writable().items() if STATES[module.WRITES]]


def make_bundle(dataset, settings, made_by="", progress=lambda done, total: None):
    """Make the archive and keep it; the Snapshot. progress(done, total) is called between two prompts."""
    with archive_of(dataset, settings, made_by, progress) as (path, manifest, made_at):
        return keep(dataset, path, manifest, made_at, made_by)


@contextlib.contextmanager
def archive_of(dataset, settings, made_by="", progress=lambda done, total: None):
    """(path, manifest, when) of an archive that is there for as long as it is looked at."""
    give_groups(dataset)
    made_at = timezone.now()
    with tempfile.TemporaryDirectory(dir=project.DATA_DIR, prefix="bundle-") as name:
        folder = Path(name)
        with one_moment():
            made = Making(dataset, settings, folder)
            made.write(progress)
        manifest = made.manifest(made_at, made_by)
        archive = folder / "bundle.zip"
        write_archive(archive, made.members(), manifest, made_at)
        yield archive, manifest, made_at


class Lengths:
    """How long texts are, in characters. Memory holds one number for each length that there is."""

    def __init__(self):
        self.times = Counter()

    def summary(self):
        """{longest, p95}: 95 of 100 are at most so long; 0 where there is none."""
        wanted, seen = 0.95 * self.times.total(), 0
        p95 = 0
        for length in sorted(self.times):
            p95, seen = length, seen + self.times[length]
            if seen >= wanted:
                break
        return {"longest": max(self.times, default=0), "p95": p95}


class File:
    """One dialect's rows of one part, on disk. The first of the fittest rows goes to the front in the end."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.rows, self.lead, self.fitness = path, 0, (0, 0), 0
        self.file = open(path, "wb")  # noqa: SIM115 - closed when all is written

    def add(self, row, fitness):
        line = json_line(row)
        if fitness > self.fitness:
            self.lead, self.fitness = (self.file.tell(), len(line)), fitness
        self.file.write(line)
        self.rows += 1

    def in_order(self):
        """The bytes of the file, the row that leads in front."""
        self.file.close()
        start, length = self.lead
        yield from pieces(self.path, start, start + length)
        yield from pieces(self.path, 0, start)
        yield from pieces(self.path, start + length)


class Making:
    """A bundle that is being written into a folder."""

    def __init__(self, dataset, settings, folder):
        self.dataset, self.settings, self.folder = dataset, settings, folder
        self.chooser = Chooser(settings.filters)
        self.writers = {name: Writer(name, settings.filters.mode) for name in settings.dialects}
        self.files = {}  # (dialect, part) -> File
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
                writer.refused = lambda reason, row, name=writer.name: left_out.write(refusal(name, reason, row))
            for number, asked in enumerate(prompts_asked(self.dataset, self.chooser, self.part_of)):
                progress(number, total)
                self.write_prompt(asked)
                table.writerows(pairs_rows(asked))
        self.skips, self.flags = passed_over(self.dataset)

    def part_of(self, prompt):
        return part_of(prompt.group or prompt.fingerprint, self.settings.shares)

    def write_prompt(self, asked):
        used = {pk for pair in asked.pairs for pk in (pair.chosen, pair.rejected)}
        used.update(asked.demonstrations)
        if used:
            self.prompts.times[sum(len(words) for _, words in turns(asked.row))] += 1
            self.answers.times.update(len(asked.texts[pk]) for pk in used)
            self.counts.update(prompts=1, responses=len(used), pairs=len(asked.pairs))
        for name, writer in self.writers.items():
            for row in writer.written(asked):
                self.file(name, asked.part).add(row, writer.fitness(row))
                if writer.module.WRITES is rows.Label:
                    self.labels[row["label"]] += name == self.labelled

    @property
    def labelled(self):
        """The first dialect with labels, whose rows are counted."""
        return next((name for name, one in self.writers.items() if one.module.WRITES is rows.Label), None)

    def file(self, name, part):
        if (name, part) not in self.files:
            self.files[name, part] = File(self.folder / card.member(name, part, self.settings.is_split))
        return self.files[name, part]

    def manifest(self, made_at, made_by):
        """What the archive holds and how it came to be, as plain values."""
        places = sorted(self.files, key=lambda place: (self.settings.dialects.index(place[0]), PARTS.index(place[1])))
        files = {
            card.member(name, part, self.settings.is_split): {
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
                **{key: plain(value) for key, value in filters.items()},
                "dialects": list(self.settings.dialects),
                "shares": dict(zip(PARTS, self.settings.shares, strict=True)),
            },
            "counts": {
                **{key: self.counts[key] for key in ("prompts", "responses", "pairs")},
                "skips": self.skips,
                "flags": self.flags,
            },
            "left_out": counted(self.chooser.left_out),
            "dialects": {
                name: {
                    "rows": sum(file.rows for (dialect, _), file in self.files.items() if dialect == name),
                    "left_out": reckoned(self.chooser.left_out, writer),
                    "warnings": counted(writer.warnings),
                }
                for name, writer in self.writers.items()
            },
            "characters": {"prompt": self.prompts.summary(), "answer": self.answers.summary()},
            "flip_rate": self.chooser.flip_rate(),
            "votes_alike": self.chooser.alike,
            "votes_unlike": self.chooser.unlike,
            "labels": {"true": self.labels[True], "false": self.labels[False]},
            "files": files,
        }

    def members(self):
        """(name, the bytes, some at a time) of each file that was written."""
        for (name, part), file in self.files.items():
            yield card.member(name, part, self.settings.is_split), file.in_order()
        for name in (PAIRS, LEFT_OUT):
            yield name, pieces(self.folder / name)


def plain(value):
    """A setting as JSON holds it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def refusal(name, reason, row):
    """A line of left-out.jsonl: a row that a dialect's rules do not take."""
    line = {"dialect": name, "reason": reason, **row._asdict(), "prompt": row.prompt._asdict()}
    return json.dumps(line, ensure_ascii=False) + "\n"


def pairs_rows(asked):
    """The lines of pairs.csv of one prompt; texts by their SHA-256."""
    texts = {pk: sha256(text) for pk, text in asked.texts.items()}
    prompt, begins = asked.prompt.fingerprint, asked.prompt.instruction[:BEGINS]
    for pair in asked.pairs:
        said = (pair.strength, *pair.votes)
        yield "pair", asked.part, prompt, texts[pair.chosen], texts[pair.rejected], *said, begins
    for pk in asked.demonstrations:
        yield "demonstration", asked.part, prompt, texts[pk], "", "", "", "", begins


def pieces(path, start=0, end=None):
    """The bytes of a file from here to there, some at a time."""
    left = (path.stat().st_size if end is None else end) - start
    with open(path, "rb") as file:
        file.seek(start)
        while left and (some := file.read(min(left, PIECE))):
            left -= len(some)
            yield some


def write_archive(path, members, manifest, made_at):
    """Write the archive; the manifest gets the size and the SHA-256 of all that is in it but itself."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in [*members, *((name, [text]) for name, text in card.texts(manifest).items())]:
            digest, size = hashlib.sha256(), 0
            with archive.open(member_of(name, made_at), "w", force_zip64=True) as member:
                for some in content:
                    digest.update(some)
                    size += len(some)
                    member.write(some)
            manifest["files"].setdefault(name, {}).update(bytes=size, sha256=digest.hexdigest())
        archive.writestr(member_of("manifest.json", made_at), card.as_json(manifest))


def member_of(name, made_at):
    info = zipfile.ZipInfo(name, made_at.timetuple()[:6])
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return info

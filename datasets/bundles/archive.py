"""Bundles: one archive with the files of several dialects, split into parts, and their documentation.

All of it comes from one consistent read of the database. The archive is stored as a Snapshot; card.py builds the
documentation for people and trainers.
"""

import contextlib
import csv
import hashlib
import json
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from django.conf import settings as project
from django.utils import timezone

from datasets.bundles import card
from datasets.bundles.snapshots import save_snapshot
from datasets.db.consistent_read import consistent_read
from datasets.exports.export import (
    ROW_BUILDERS,
    PromptPart,
    Row,
    Writer,
    count_left_out,
    count_skips,
    sort_counts,
)
from datasets.exports.extras import EXTRAS, build_extras
from datasets.exports.query import ExportPrompt, PromptRow, iter_export_prompts
from datasets.exports.selection import Filters, VoteSelector
from datasets.files.writers import encode_line
from datasets.formats import get_writable_formats, rows
from datasets.formats.message_lists import build_turns
from datasets.models import Dataset, Prompt, Snapshot
from datasets.text.fingerprints import hash_text
from datasets.text.near_duplicates import PARTS, assign_groups, pick_part

# The default: together they serve every consumer of FORMATS.md
DIALECTS = ("dpo", "dpo-implicit", "dpo-sharegpt", "alpaca", "sharegpt", "messages", "kto", "kto-messages", "reward")
SHARES = (80, 10, 10)
BUNDLE = "bundle"
PAIRS, LEFT_OUT = "pairs.csv", "left-out.jsonl"
PIECE = 1 << 20  # bytes
PAIRS_COLUMNS = (
    "kind", "part", "prompt", "chosen", "rejected", "strength", "votes_chosen", "votes_total", "begins", "label",
    "margin", "id", "chosen_source", "rejected_source", "meta",
)  # fmt: skip
BEGINS = 80  # characters of a prompt

ProgressCallback = Callable[[int, int], None]  # called with (done, total)


@dataclass(frozen=True)
class Settings:
    """What a bundle holds.

    shares: of train, validation and test, in percent; (100, 0, 0) for no split.
    extras: further columns, of EXTRAS, in the dialects that take them; pairs.csv has all of them in any case.
    """

    filters: Filters = field(default_factory=Filters)
    dialects: tuple[str, ...] = DIALECTS
    shares: tuple[int, ...] = SHARES
    extras: tuple[str, ...] = ()

    @property
    def is_split(self) -> bool:
        return self.shares != (100, 0, 0)


def get_dialects() -> list[str]:
    """Dialects that a bundle may hold: those whose rows are built from choices."""
    return [name for name, module in get_writable_formats().items() if module.WRITES in ROW_BUILDERS]


def make_bundle(
    dataset: Dataset,
    settings: Settings,
    made_by: str = "",
    progress: ProgressCallback = lambda done, total: None,
) -> Snapshot:
    """A new bundle, stored as a Snapshot.

    made_by: username, or "" for a command.
    progress: called with (done, total) for each prompt.
    """
    with temporary_archive(dataset, settings, made_by, progress) as (path, manifest, made_at):
        return save_snapshot(dataset, path, manifest, made_at, made_by)


@contextlib.contextmanager
def temporary_archive(
    dataset: Dataset,
    settings: Settings,
    made_by: str = "",
    progress: ProgressCallback = lambda done, total: None,
) -> Iterator[tuple[Path, card.Manifest, datetime]]:
    """(path, manifest, moment) of an archive that exists inside the context."""
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
    """Lengths of texts, in characters. Memory holds one number per distinct length."""

    def __init__(self) -> None:
        self.times: Counter[int] = Counter()

    def build_summary(self) -> dict[str, int]:
        """{longest, p95}: the maximum and the 95th percentile; 0 without texts."""
        wanted, seen = 0.95 * self.times.total(), 0
        p95 = 0
        for length in sorted(self.times):
            p95, seen = length, seen + self.times[length]
            if seen >= wanted:
                break
        return {"longest": max(self.times, default=0), "p95": p95}


class PartFile:
    """Rows of one dialect and one part, on disk; `iter_bytes` moves the first of the fittest rows to the front."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.rows, self.fitness = path, 0, 0
        self.lead = (0, 0)  # offset and length of the row for the front
        self.file = open(path, "wb")  # noqa: SIM115 - iter_bytes closes it

    def add(self, row: Row, fitness: int) -> None:
        """Writes a row. fitness: see `Writer.rate_fitness`."""
        line = encode_line(row)
        if fitness > self.fitness:
            self.lead, self.fitness = (self.file.tell(), len(line)), fitness
        self.file.write(line)
        self.rows += 1

    def iter_bytes(self) -> Iterator[bytes]:
        """Closes the file; its bytes, with the fittest row in front."""
        self.file.close()
        start, length = self.lead
        yield from read_pieces(self.path, start, start + length)
        yield from read_pieces(self.path, 0, start)
        yield from read_pieces(self.path, start + length)


class BundleWriter:
    """Writes the files of a bundle into a folder."""

    def __init__(self, dataset: Dataset, settings: Settings, folder: Path) -> None:
        self.dataset, self.settings, self.folder = dataset, settings, folder
        self.chooser = VoteSelector(settings.filters)
        self.writers = {name: Writer(name, settings.filters.mode, settings.extras) for name in settings.dialects}
        self.files: dict[tuple[str, str], PartFile] = {}  # by (dialect, part)
        self.prompts, self.answers = Lengths(), Lengths()
        self.counts: Counter[str] = Counter()
        self.labels: Counter[bool] = Counter()

    def write(self, progress: ProgressCallback) -> None:
        """Reads the database and writes all files that depend on it."""
        total = Prompt.objects.filter(dataset=self.dataset).count()
        with (
            open(self.folder / PAIRS, "w", encoding="utf-8", newline="") as pairs,
            open(self.folder / LEFT_OUT, "w", encoding="utf-8") as left_out,
        ):
            table = csv.writer(pairs, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
            table.writerow(PAIRS_COLUMNS)
            for writer in self.writers.values():
                writer.on_refused = partial(write_refusal, left_out, writer.name)
            prompts = iter_export_prompts(self.dataset, self.chooser, self.choose_part, with_origins=True)
            for number, export_prompt in enumerate(prompts):
                progress(number, total)
                self.write_prompt(export_prompt)
                table.writerows(iter_pair_rows(export_prompt))
        self.skips, self.flags = count_skips(self.dataset)

    def choose_part(self, prompt: PromptRow) -> str:
        """Part of the bundle that a prompt is in."""
        return pick_part(prompt.group or prompt.fingerprint, self.settings.shares)

    def write_prompt(self, export_prompt: ExportPrompt) -> None:
        """Writes the rows of one prompt in all dialects, and counts them."""
        used = {pk for pair in export_prompt.pairs for pk in (pair.chosen, pair.rejected)}
        used.update(export_prompt.demonstrations, export_prompt.labels)
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
    def label_dialect(self) -> str | None:
        """First dialect with labels, the one whose labels are counted; None without any."""
        return next((name for name, one in self.writers.items() if one.module.WRITES is rows.Label), None)

    def open_file(self, name: str, part: str) -> PartFile:
        """File of a dialect and part, created at the first call."""
        if (name, part) not in self.files:
            self.files[name, part] = PartFile(self.folder / card.get_member_path(name, part, self.settings.is_split))
        return self.files[name, part]

    def build_manifest(self, made_at: datetime, made_by: str) -> card.Manifest:
        """Manifest of the archive, without sizes and hashes of the files, which `write_archive` adds."""
        places = sorted(self.files, key=lambda place: (self.settings.dialects.index(place[0]), PARTS.index(place[1])))
        files: dict[str, card.FileEntry] = {
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
                "with": list(self.settings.extras),
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

    def iter_members(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """(path in the archive, bytes) of each file that `write` has written."""
        for (name, part), file in self.files.items():
            yield card.get_member_path(name, part, self.settings.is_split), file.iter_bytes()
        for name in (PAIRS, LEFT_OUT):
            yield name, read_pieces(self.folder / name)


def convert_setting(value: Any) -> Any:
    """A setting as a JSON value."""
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def write_refusal(file: IO[str], name: str, reason: str, row: PromptPart) -> None:
    """Writes a line of left-out.jsonl: a row that the dialect `name` cannot represent."""
    line = {"dialect": name, "reason": reason, **row._asdict(), "prompt": row.prompt._asdict()}
    file.write(json.dumps(line, ensure_ascii=False) + "\n")


def iter_pair_rows(export_prompt: ExportPrompt) -> Iterator[tuple[str | float, ...]]:
    """Lines of pairs.csv for one prompt, see PAIRS_COLUMNS; responses appear as the SHA-256 of their texts."""
    texts = {pk: hash_text(text) for pk, text in export_prompt.texts.items()}
    prompt, begins = export_prompt.prompt.fingerprint, export_prompt.prompt.instruction[:BEGINS]
    part, labels = export_prompt.part, export_prompt.labels
    for pair in export_prompt.pairs:
        counts = (pair.strength, *pair.votes)
        margin, of_rows = (
            "" if pair.margin is None else pair.margin,
            list_extras(export_prompt, pair.chosen, pair.rejected),
        )
        yield "pair", part, prompt, texts[pair.chosen], texts[pair.rejected], *counts, begins, "", margin, *of_rows
    for pk in dict.fromkeys([*export_prompt.demonstrations, *labels]):
        kind = "demonstration" if pk in export_prompt.demonstrations else "label"
        label = str(labels[pk]).lower() if pk in labels else ""
        of_rows = list_extras(export_prompt, pk)
        yield kind, part, prompt, texts[pk], "", "", "", "", begins, label, "", *of_rows


def list_extras(export_prompt: ExportPrompt, *responses: int) -> tuple[str, str, str, str]:
    """(id, source of the first response, source of the second one, metadata) of a row.

    responses: one or two ids.
    """
    columns = build_extras(export_prompt, responses, EXTRAS)
    sources = [export_prompt.sources.get(pk, "") for pk in responses]
    return columns["id"], sources[0], sources[1] if len(sources) > 1 else "", columns["meta"]


def read_pieces(path: Path, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes of a file from `start` to `end`, in pieces of at most PIECE bytes."""
    left = (path.stat().st_size if end is None else end) - start
    with open(path, "rb") as file:
        file.seek(start)
        while left and (piece := file.read(min(left, PIECE))):
            left -= len(piece)
            yield piece


def write_archive(
    path: Path, members: Iterable[tuple[str, Iterable[bytes]]], manifest: card.Manifest, made_at: datetime
) -> None:
    """Writes the archive; adds the size and SHA-256 of each member to the manifest, which is the last member."""
    texts: list[tuple[str, Iterable[bytes]]] = [(name, [text]) for name, text in card.build_texts(manifest).items()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in [*members, *texts]:
            digest, size = hashlib.sha256(), 0
            with archive.open(build_zip_info(name, made_at), "w", force_zip64=True) as member:
                for piece in content:
                    digest.update(piece)
                    size += len(piece)
                    member.write(piece)
            entry = manifest["files"].setdefault(name, {})
            entry["bytes"], entry["sha256"] = size, digest.hexdigest()
        archive.writestr(build_zip_info("manifest.json", made_at), card.encode_json(manifest))


def build_zip_info(name: str, made_at: datetime) -> zipfile.ZipInfo:
    """Header of a member, the same for the same bundle."""
    info = zipfile.ZipInfo(name, made_at.timetuple()[:6])
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return info

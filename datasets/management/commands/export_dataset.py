import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.datastructures import MultiValueDict

from datasets.bundles.archive import BUNDLE, get_dialects, make_bundle
from datasets.bundles.forms import BundleForm
from datasets.bundles.snapshots import iter_content
from datasets.cli import find_dataset, format_form_errors, split_words, write_whole
from datasets.exports.conversations import CONVERSATION_FORMATS
from datasets.exports.export import Export
from datasets.exports.extras import EXTRAS, get_dialects_with_extras
from datasets.exports.forms import FileForm, FilterForm
from datasets.exports.selection import Filters
from datasets.formats import get_file_kind, get_writable_formats
from datasets.models import Dataset


class Command(BaseCommand):
    requires_system_checks = ()  # they import all views, which takes twice as long as the rest of the start
    help = "Export judgments as a file for a trainer. Without --output: SLUG-FORMAT.jsonl in this folder."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument(
            "--format", required=True, metavar="NAME", help=", ".join([*get_writable_formats(), BUNDLE])
        )
        parser.add_argument("--output", metavar="FILE", help="the file to write; - is stdout")
        parser.add_argument("--dialects", metavar="NAME,…", help="for a bundle: " + ", ".join(get_dialects()))
        parser.add_argument("--split", metavar="80,10,10", help="for a bundle: train, validation, test in percent")
        parser.add_argument("--mode", help="majority (default: one row per pair), soft (also its votes) or every")
        parser.add_argument("--min-agreement", help="lowest share of a pair's votes for the winner, 0 to 1")
        parser.add_argument("--annotator", action="append", help="only judgments of this person; repeatable")
        parser.add_argument("--since", help="only judgments since this date (or date and time, UTC)")
        parser.add_argument("--until", help="only judgments until the end of this date (or before this time)")
        parser.add_argument("--min-strength", help="only choices at least this strong, 1 to 3")
        parser.add_argument("--min-votes", metavar="N", help="only pairs with at least N votes")
        parser.add_argument("--tags", metavar="TAG,…", help="only prompts with one of these tags")
        parser.add_argument("--flags", help="without: leave out flagged comparisons")
        parser.add_argument("--paused", help="without: leave out judgments of annotators who are paused now")
        parser.add_argument("--decisions", help="votes (default), first (a reviewer's decision replaces votes) or only")
        parser.add_argument("--length", help="balanced: the shorter response is chosen as often as the longer one")
        parser.add_argument("--criterion", metavar="NAME", help="choices by this criterion instead of the overall ones")
        parser.add_argument(
            "--for-spreadsheets",
            action="store_true",
            help="for a CSV format: an apostrophe before each text that a spreadsheet would run as a formula",
        )
        parser.add_argument(
            "--with",
            action="append",
            metavar=",".join(EXTRAS),
            help=f"also ids, sources, metadata of rows, for {', '.join(get_dialects_with_extras())} and bundles",
        )
        parser.add_argument(
            "--conversations",
            action="store_true",
            help=f"one row per chat instead of what was judged, for {', '.join(CONVERSATION_FORMATS)}",
        )
        parser.add_argument("--ranks", help="pairs of a ranking: all (default), adjacent, best-rest or best-worst")

    def handle(self, slug: str, format: str, output: str | None, **options: Any) -> None:
        started = time.monotonic()
        dataset = find_dataset(slug)
        for_spreadsheets = options["for_spreadsheets"]
        if for_spreadsheets and (format == BUNDLE or get_file_kind(find_format(format)) != "csv"):
            raise CommandError("--for-spreadsheets goes with a CSV format, as judgments-csv", returncode=2)
        file = FileForm(build_file_data(options), name=format if format == BUNDLE else find_format(format))
        if not file.is_valid():
            raise CommandError(format_form_errors(file), returncode=2)
        if format == BUNDLE:
            return self.write_bundle(dataset, output, started, options)
        if options["dialects"] or options["split"]:
            raise CommandError("--dialects and --split go with --format bundle", returncode=2)
        export = Export(dataset, format, parse_filters(dataset, options), **file.get_options())
        path = Path(output or f"{slug}-{format}.{get_file_kind(format)}")
        if output == "-":
            for piece in export.iter_pieces():
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            write_whole(path, export.iter_pieces())
        self.write_account(export.build_account(), output, started)

    def write_bundle(self, dataset: Dataset, output: str | None, started: float, options: dict[str, Any]) -> None:
        """Makes a bundle, stores it, and writes it.

        started: `time.monotonic()` at the start of the command.
        """
        data = {"dialects": split_words(options["dialects"]), "split": options["split"], "with": options["with"] or []}
        form = BundleForm(data)
        if not form.is_valid():
            raise CommandError(format_form_errors(form), returncode=2)
        snapshot = make_bundle(dataset, form.build_settings(parse_filters(dataset, options)))
        if output == "-":
            for piece in iter_content(snapshot):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            write_whole(Path(output or f"{snapshot}.zip"), iter_content(snapshot))
        rows = snapshot.manifest["counts"]["pairs"]
        about = {key: snapshot.manifest[key] for key in ("left_out", "dialects")}
        account = {"dataset": dataset.slug, "format": BUNDLE, "rows": rows, **about, "snapshot": snapshot.number}
        self.write_account({**account, "sha256": snapshot.sha256}, output, started)

    def write_account(self, account: Mapping[str, Any], output: str | None, started: float) -> None:
        timed = {**account, "seconds": round(time.monotonic() - started, 3)}
        (self.stderr if output == "-" else self.stdout).write(json.dumps(timed, ensure_ascii=False))


def find_format(name: str) -> str:
    if name not in get_writable_formats():
        there = ", ".join([*get_writable_formats(), BUNDLE])
        raise CommandError(f"There is no format {name}. There are: {there}", returncode=2)
    return name


def build_file_data(options: dict[str, Any]) -> MultiValueDict[str, str]:
    """The data for FileForm in the options of the command."""
    data = build_filter_data(options)
    for name in ("for_spreadsheets", "conversations"):
        data[name.replace("_", "-")] = "1" if options[name] else ""
    data.setlist("with", options["with"] or [])
    return data


def build_filter_data(options: dict[str, Any]) -> MultiValueDict[str, str]:
    """The data for FilterForm in the options of the command."""
    data: MultiValueDict[str, str] = MultiValueDict()
    for field in FilterForm.base_fields:
        value = options.get(field)
        data.setlist(field.replace("_", "-"), value if isinstance(value, list) else [] if value is None else [value])
    return data


def parse_filters(dataset: Dataset, options: dict[str, Any]) -> Filters:
    form = FilterForm(dataset, build_filter_data(options))
    if not form.is_valid():
        raise CommandError(format_form_errors(form), returncode=2)
    return form.build_filters()

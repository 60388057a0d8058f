import json
import sys
import time
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils.datastructures import MultiValueDict

from datasets.bundles.archive import BUNDLE, get_dialects, make_bundle
from datasets.bundles.forms import BundleForm
from datasets.bundles.snapshots import iter_content
from datasets.cli import find_dataset, format_form_errors, split_words, write_whole
from datasets.exports.export import Export
from datasets.exports.forms import FilterForm
from datasets.formats import get_file_kind, get_writable_formats


class Command(BaseCommand):
    requires_system_checks = ()  # they load all pages, in twice the time that the rest takes to start
    help = "Write what people chose as a file that trainers load. Without --output: SLUG-FORMAT.jsonl, here."

    def add_arguments(self, parser):
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument(
            "--format", required=True, metavar="NAME", help=", ".join([*get_writable_formats(), BUNDLE])
        )
        parser.add_argument("--output", metavar="FILE", help="where to write; - is stdout")
        parser.add_argument("--dialects", metavar="NAME,…", help="of a bundle: " + ", ".join(get_dialects()))
        parser.add_argument("--split", metavar="80,10,10", help="of a bundle: train, validation, test in percent")
        parser.add_argument("--mode", help="majority (the default: one row per pair), soft (with its votes) or every")
        parser.add_argument("--min-agreement", help="share of a pair's votes for the winner, 0 to 1")
        parser.add_argument("--annotator", action="append", help="only judgments of this person; may repeat")
        parser.add_argument("--since", help="only judgments from this date (or date and time, UTC) on")
        parser.add_argument("--until", help="only judgments up to the end of this date (or before this time)")
        parser.add_argument("--min-strength", help="only choices at least this strong, 1 to 3")
        parser.add_argument("--min-votes", metavar="N", help="only pairs that so many people judged")
        parser.add_argument("--tags", metavar="TAG,…", help="only prompts with one of these tags")
        parser.add_argument("--flags", help="without: leave out whatever anybody flagged")
        parser.add_argument("--paused", help="without: leave out what people said who are paused now")
        parser.add_argument("--decisions", help="votes (the default), first (a reviewer's, in place of votes) or only")
        parser.add_argument("--length", help="balanced: as often the shorter answer chosen as the longer one")
        parser.add_argument("--criterion", metavar="NAME", help="what was chosen by this criterion, instead of in all")
        parser.add_argument(
            "--for-spreadsheets",
            action="store_true",
            help="of a CSV format: an apostrophe before each text that a spreadsheet would run as a formula",
        )
        parser.add_argument("--ranks", help="of an order: all (the default), adjacent, best-rest or best-worst")

    def handle(self, slug, format, output, **options):
        started = time.monotonic()
        dataset = find_dataset(slug)
        for_spreadsheets = options["for_spreadsheets"]
        if for_spreadsheets and (format == BUNDLE or get_file_kind(find_format(format)) != "csv"):
            raise CommandError("--for-spreadsheets goes with a CSV format, as judgments-csv", returncode=2)
        if format == BUNDLE:
            return self.write_bundle(dataset, output, started, options)
        if options["dialects"] or options["split"]:
            raise CommandError("--dialects and --split go with --format bundle", returncode=2)
        filters = parse_filters(dataset, options)
        export = Export(dataset, find_format(format), filters, for_spreadsheets=for_spreadsheets)
        path = Path(output or f"{slug}-{format}.{get_file_kind(format)}")
        if output == "-":
            for piece in export.iter_pieces():
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            write_whole(path, export.iter_pieces())
        self.write_account(export.build_account(), output, started)

    def write_bundle(self, dataset, output, started, options):
        """Make a bundle, keep it, and write it."""
        form = BundleForm({"dialects": split_words(options["dialects"]), "split": options["split"]})
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

    def write_account(self, account, output, started):
        account |= {"seconds": round(time.monotonic() - started, 3)}
        (self.stderr if output == "-" else self.stdout).write(json.dumps(account, ensure_ascii=False))


def find_format(name):
    if name not in get_writable_formats():
        there = ", ".join([*get_writable_formats(), BUNDLE])
        raise CommandError(f"There is no format {name}. There are: {there}", returncode=2)
    return name


def parse_filters(dataset, options):
    data = MultiValueDict()
    for field in FilterForm.base_fields:
        value = options.get(field)
        data.setlist(field.replace("_", "-"), value if isinstance(value, list) else [] if value is None else [value])
    form = FilterForm(dataset, data)
    if not form.is_valid():
        raise CommandError(format_form_errors(form), returncode=2)
    return form.build_filters()

import json
import os
import sys
import time
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils.datastructures import MultiValueDict

from datasets.exports import Export
from datasets.filters import FilterForm
from datasets.formats import writable
from datasets.models import Dataset


class Command(BaseCommand):
    help = "Write what people chose as a file that trainers load. Without --output: SLUG-FORMAT.jsonl, here."

    def add_arguments(self, parser):
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument("--format", required=True, metavar="NAME", help=", ".join(writable()))
        parser.add_argument("--output", metavar="FILE", help="where to write; - is stdout")
        parser.add_argument("--mode", help="majority (the default: one row per pair) or every (judgment)")
        parser.add_argument("--min-agreement", help="share of a pair's votes for the winner, 0 to 1")
        parser.add_argument("--annotator", action="append", help="only judgments of this person; may repeat")
        parser.add_argument("--since", help="only judgments from this date (or date and time, UTC) on")
        parser.add_argument("--until", help="only judgments up to the end of this date (or before this time)")
        parser.add_argument("--min-strength", help="only choices at least this strong, 1 to 3")
        parser.add_argument("--criterion", metavar="NAME", help="what was chosen by this criterion, instead of in all")
        parser.add_argument("--ranks", help="of an order: all (the default), adjacent, best-rest or best-worst")

    def handle(self, slug, format, output, **options):
        started = time.monotonic()
        dataset = found_dataset(slug)
        export = Export(dataset, found_format(format), filters_of(dataset, options))
        path = Path(output or f"{slug}-{format}.jsonl")
        if output == "-":
            for line in export.lines():
                sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        else:
            write_whole(path, export.lines())
        account = {**export.account(), "seconds": round(time.monotonic() - started, 3)}
        (self.stderr if output == "-" else self.stdout).write(json.dumps(account, ensure_ascii=False))


def found_dataset(slug):
    try:
        return Dataset.objects.get(slug=slug)
    except Dataset.DoesNotExist:
        there = ", ".join(Dataset.objects.values_list("slug", flat=True)) or "none"
        raise CommandError(f"There is no dataset {slug}. There are: {there}", returncode=2) from None


def found_format(name):
    if name not in writable():
        raise CommandError(f"There is no format {name}. There are: {', '.join(writable())}", returncode=2)
    return name


def filters_of(dataset, options):
    data = MultiValueDict()
    for field in FilterForm.base_fields:
        value = options.get(field)
        data.setlist(field.replace("_", "-"), value if isinstance(value, list) else [] if value is None else [value])
    form = FilterForm(dataset, data)
    if not form.is_valid():
        said = "; ".join(f"--{name.replace('_', '-')}: {' '.join(errors)}" for name, errors in form.errors.items())
        raise CommandError(said, returncode=2)
    return form.filters()


def write_whole(path, lines):
    """Write the file aside and put it in place when it is whole."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(aside, "wb") as file:
            file.writelines(lines)
        aside.replace(path)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", returncode=2) from None
    finally:
        aside.unlink(missing_ok=True)

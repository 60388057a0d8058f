import json
import sys
import time
from datetime import UTC
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from annotate.hours import iter_csv_lines, iter_hours
from annotate.people_forms import HoursForm
from datasets.cli import write_whole


class Command(BaseCommand):
    help = "Write hours, judgments and skips by day (UTC), person and dataset as CSV; without --output to stdout."

    def add_arguments(self, parser):
        parser.add_argument("--since", metavar="DATE", help="the first day, as 2026-11-01")
        parser.add_argument("--until", metavar="DATE", help="the last day")
        parser.add_argument("--output", metavar="FILE", default="-", help="where to write; - is stdout")

    def handle(self, since, until, output, **options):
        started = time.monotonic()
        form = HoursForm({"since": since or "", "until": until or ""})
        if not form.is_valid():
            problems = "; ".join(f"--{name}: {' '.join(errors)}" for name, errors in form.errors.items())
            raise CommandError(problems, returncode=2)
        totals = {"rows": 0, "judgments": 0, "skips": 0, "hours": 0.0}
        lines = (
            line.encode() for line in iter_csv_lines(tally_rows(iter_hours(**form.cleaned_data, zone=UTC), totals))
        )
        if output == "-":
            sys.stdout.buffer.writelines(lines)
            sys.stdout.buffer.flush()
        else:
            write_whole(Path(output), lines)
        summary = totals | {"hours": round(totals["hours"], 4), "seconds": round(time.monotonic() - started, 3)}
        (self.stderr if output == "-" else self.stdout).write(json.dumps(summary))


def tally_rows(rows, totals):
    """The rows, added up in `totals` as they pass."""
    for row in rows:
        *_names, judgments, skips, spent = row
        totals["rows"] += 1
        totals["judgments"] += judgments
        totals["skips"] += skips
        totals["hours"] += spent
        yield row

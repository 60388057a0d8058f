import json
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any, TypedDict

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotate.hours import HoursRow, iter_csv_lines, iter_hours
from annotate.people_forms import HoursForm
from datasets.cli import write_whole


class Totals(TypedDict):
    rows: int
    judgments: int
    skips: int
    hours: float


class Command(BaseCommand):
    help = "Write hours, judgments and skips as CSV, by day (UTC), annotator and dataset."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", metavar="DATE", help="first day, for example 2026-11-01")
        parser.add_argument("--until", metavar="DATE", help="last day, inclusive")
        parser.add_argument("--output", metavar="FILE", default="-", help="output file; - for stdout, the default")

    def handle(self, since: str | None, until: str | None, output: str, **options: Any) -> None:
        started = time.monotonic()
        form = HoursForm({"since": since or "", "until": until or ""})
        if not form.is_valid():
            problems = "; ".join(f"--{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items())
            raise CommandError(problems, returncode=2)
        totals: Totals = {"rows": 0, "judgments": 0, "skips": 0, "hours": 0.0}
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


def tally_rows(rows: Iterable[HoursRow], totals: Totals) -> Iterator[HoursRow]:
    """Passes the rows through and adds them up in `totals`."""
    for row in rows:
        totals["rows"] += 1
        totals["judgments"] += row.judgments
        totals["skips"] += row.skips
        totals["hours"] += row.hours
        yield row

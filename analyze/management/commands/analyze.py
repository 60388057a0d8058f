import json
import time
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from analyze.report import compute_numbers
from analyze.reports import add_reasons
from analyze.shapes import Numbers
from datasets.cli import find_dataset

MOST_LINES = 1000


class Command(BaseCommand):
    help = "Analyse the choices in a dataset: counts, strengths, agreement, annotators, bias, prediction. "
    help += "Prints one JSON object on the last line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument("--json", action="store_true", help="print only the JSON object, without the summary")
        parser.add_argument("--weighted", action="store_true", help="weigh each choice by its annotator's reliability")
        parser.add_argument(
            "--all", action="store_true", help=f"list every answer and judgment, not only the first {MOST_LINES}"
        )

    def handle(self, *args: Any, slug: str, **options: Any) -> None:
        started, dataset = time.monotonic(), find_dataset(slug)
        numbers = compute_numbers(dataset, None if options["all"] else MOST_LINES, weighted=options["weighted"])
        made = {"dataset": slug, "made_at": timezone.now().isoformat(timespec="milliseconds")}
        if not options["json"]:
            self.stdout.write("\n".join(format_summary(numbers)))
        self.stdout.write(
            encode_json({**made, **add_reasons(numbers), "seconds": round(time.monotonic() - started, 3)})
        )


def encode_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def format_summary(numbers: Numbers) -> Iterator[str]:
    """The key numbers, one line each."""
    yield f"{numbers['judgments']} judgments, {numbers['choices']} choices, {numbers['both_bad']} both bad"
    for line in numbers["strengths"] or ():
        low, high = line["interval"]
        yield f"  {line['source']}: {line['strength']:+.2f} ({low:+.2f} to {high:+.2f})"
    agreement = numbers["agreement"]
    if agreement["percent"] is not None:
        yield f"agreement {agreement['percent']:.1%} on {agreement['judged_twice']} pairs judged twice"

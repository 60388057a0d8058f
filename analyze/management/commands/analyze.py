import json
import time

from django.core.management.base import BaseCommand
from django.utils import timezone

from analyze.report import compute_numbers
from analyze.reports import add_reasons
from datasets.cli import find_dataset

MOST_LINES = 1000


class Command(BaseCommand):
    help = "What people's choices say of a dataset: counts, strengths, agreement, people, bias, prediction. "
    help += "One object of JSON on the last line."

    def add_arguments(self, parser):
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument("--json", action="store_true", help="the object alone, without a summary to read before it")
        parser.add_argument("--weighted", action="store_true", help="weigh choices by whose they are: how reliable")
        parser.add_argument("--all", action="store_true", help=f"every answer and judgment, not the first {MOST_LINES}")

    def handle(self, slug, **options):
        started, dataset = time.monotonic(), find_dataset(slug)
        numbers = compute_numbers(dataset, None if options["all"] else MOST_LINES, weighted=options["weighted"])
        made = {"dataset": slug, "made_at": timezone.now().isoformat(timespec="milliseconds")}
        if not options["json"]:
            self.stdout.write("\n".join(format_summary(numbers)))
        self.stdout.write(
            encode_json({**made, **add_reasons(numbers), "seconds": round(time.monotonic() - started, 3)})
        )


def encode_json(value):
    return json.dumps(value, ensure_ascii=False)


def format_summary(numbers):
    """The first things to know, a line each."""
    yield f"{numbers['judgments']} judgments, {numbers['choices']} choices, {numbers['both_bad']} both bad"
    for line in numbers["strengths"] or ():
        low, high = line["interval"]
        yield f"  {line['source']}: {line['strength']:+.2f} ({low:+.2f} to {high:+.2f})"
    agreement = numbers["agreement"]
    if agreement["percent"] is not None:
        yield f"agreement {agreement['percent']:.1%} on {agreement['judged_twice']} pairs judged twice"

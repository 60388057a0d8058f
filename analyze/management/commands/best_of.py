import contextlib
import json
import sys

from django.core.management.base import BaseCommand, CommandError

from analyze.best import best_answers
from analyze.maths.predictor import TooFew
from datasets.management.commands.export_dataset import found_dataset


class Command(BaseCommand):
    help = (
        "Of each prompt's answers the one that people would choose, by a model of what they chose so far: JSON Lines."
    )

    def add_arguments(self, parser):
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument("--output", default="-", metavar="FILE", help="where to write; - (the default) is stdout")

    def handle(self, slug, output, **options):
        dataset, written = found_dataset(slug), 0
        try:
            found = best_answers(dataset)
            with contextlib.nullcontext(sys.stdout) if output == "-" else open(output, "w", encoding="utf-8") as file:
                for line in found:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                    written += 1
        except TooFew as why:
            raise CommandError(f"{slug}: there is too little to learn from ({why})", returncode=2) from None
        summary = json.dumps({"dataset": slug, "rows": written})
        (self.stderr if output == "-" else self.stdout).write(summary)

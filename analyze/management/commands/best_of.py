import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from analyze.best_of_n import iter_best_answers
from analyze.maths.predictor import TooFewChoices
from datasets.cli import find_dataset, write_whole


class Command(BaseCommand):
    help = "Print the answer to each prompt that annotators would choose, by a model of their past choices: JSON Lines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument("--output", default="-", metavar="FILE", help="output file; - (the default) is stdout")

    def handle(self, *args: Any, slug: str, output: str, **options: Any) -> None:
        dataset, rows = find_dataset(slug), 0
        answers = iter_best_answers(dataset)
        try:
            first = list(itertools.islice(answers, 1))
        except TooFewChoices as why:
            raise CommandError(f"{slug}: there is too little to learn from ({why})", returncode=2) from None

        def iter_lines() -> Iterator[str]:
            nonlocal rows
            for line in itertools.chain(first, answers):
                yield f"{json.dumps(line, ensure_ascii=False)}\n"
                rows += 1

        if output == "-":
            sys.stdout.writelines(iter_lines())
        else:
            write_whole(Path(output), (line.encode() for line in iter_lines()))
        summary = json.dumps({"dataset": slug, "rows": rows})
        (self.stderr if output == "-" else self.stdout).write(summary)

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotate.models import User
from annotate.pauses import pause, resume
from datasets.cli import find_dataset


class Command(BaseCommand):
    help = (
        "Pause an annotator in a dataset: their leases return to the queue, their judgments stay. "
        "--resume ends the pause."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="short name of the dataset")
        parser.add_argument("name", help="name of the annotator")
        parser.add_argument("--resume", action="store_true", help="end the pause")

    def handle(self, slug: str, name: str, **options: Any) -> None:
        dataset, person = find_dataset(slug), User.objects.filter(username=name).first()
        if person is None:
            raise CommandError(f"There is nobody called {name}.", returncode=2)
        changed = (resume if options["resume"] else pause)(person, dataset)
        summary = {"dataset": slug, "annotator": name, "paused": not options["resume"], "changed": changed}
        self.stdout.write(json.dumps(summary, ensure_ascii=False))

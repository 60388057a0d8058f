import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotate.models import User
from annotate.practice import reset
from datasets.cli import find_dataset


class Command(BaseCommand):
    help = (
        "Ask an annotator to take the qualification of a dataset again, with as many retakes as the dataset allows. "
        "Their judgments and earlier attempts stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="short name of the dataset")
        parser.add_argument("name", help="name of the annotator")

    def handle(self, slug: str, name: str, **options: Any) -> None:
        dataset, person = find_dataset(slug), User.objects.filter(username=name).first()
        if person is None:
            raise CommandError(f"There is nobody called {name}.", returncode=2)
        changed = reset(person, dataset)
        self.stdout.write(json.dumps({"dataset": slug, "annotator": name, "changed": changed}, ensure_ascii=False))

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from datasets.audit.delete_dataset import delete_dataset
from datasets.cli import find_dataset


class Command(BaseCommand):
    help = "Delete a dataset with all its judgments, for good. Export it first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument("--name", required=True, help="the short name again, to confirm")

    def handle(self, slug: str, name: str, **options: Any) -> None:
        dataset = find_dataset(slug)
        if name != slug:
            raise CommandError("The two names differ. Nothing was deleted.", returncode=2)
        delete_dataset(dataset)
        self.stdout.write(json.dumps({"dataset": slug, "deleted": True}))

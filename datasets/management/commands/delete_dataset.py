import json

from django.core.management.base import BaseCommand, CommandError

from datasets.audit.delete_dataset import delete_dataset
from datasets.cli import find_dataset


class Command(BaseCommand):
    help = "Delete a dataset with all its judgments, for good. Export it first."

    def add_arguments(self, parser):
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument("--name", required=True, help="the short name once more, to be sure")

    def handle(self, slug, name, **options):
        dataset = find_dataset(slug)
        if name != slug:
            raise CommandError("The two names differ. Nothing was deleted.", returncode=2)
        delete_dataset(dataset)
        self.stdout.write(json.dumps({"dataset": slug, "deleted": True}))

import json

from django.core.management.base import BaseCommand, CommandError

from annotate.models import User
from annotate.pauses import pause, resume
from datasets.cli import find_dataset


class Command(BaseCommand):
    help = (
        "Pause a person in a dataset: what they have in hand goes to others, what they judged stays. "
        "--resume lets them go on."
    )

    def add_arguments(self, parser):
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument("name", help="the person's name")
        parser.add_argument("--resume", action="store_true", help="let them go on")

    def handle(self, slug, name, **options):
        dataset, person = find_dataset(slug), User.objects.filter(username=name).first()
        if person is None:
            raise CommandError(f"There is nobody called {name}.", returncode=2)
        changed = (resume if options["resume"] else pause)(person, dataset)
        summary = {"dataset": slug, "annotator": name, "paused": not options["resume"], "changed": changed}
        self.stdout.write(json.dumps(summary, ensure_ascii=False))

import json

from django.core.management.base import BaseCommand

from datasets.imports.store import resume_unfinished


class Command(BaseCommand):
    help = "Finish imports that a killed process left unfinished, or remove what they had stored. Run at each start."

    def handle(self, **options):
        finished, removed = resume_unfinished()
        self.stdout.write(json.dumps({"finished": finished, "removed": removed}))

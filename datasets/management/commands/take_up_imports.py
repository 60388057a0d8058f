import json
from typing import Any

from django.core.management.base import BaseCommand

from datasets.imports.store import resume_unfinished


class Command(BaseCommand):
    help = "Finish the imports that a killed process left unfinished, or remove their rows. Run this at every start."

    def handle(self, **options: Any) -> None:
        finished, removed = resume_unfinished()
        self.stdout.write(json.dumps({"finished": finished, "removed": removed}))

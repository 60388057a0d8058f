import json
import os

from django.core.management.base import BaseCommand

from datasets import tasks  # noqa: F401 - the kinds of tasks
from datasets.jobs import work

NICE = 10


class Command(BaseCommand):
    help = "Do tasks in the background: check and store uploads, make bundles. Any number of these, on any machine."

    def add_arguments(self, parser):
        parser.add_argument("--until-idle", action="store_true", help="end when nothing has come for a few seconds")

    def handle(self, until_idle, **options):
        os.nice(NICE)  # who judges goes first
        self.stdout.write(json.dumps({"done": work(until_idle)}))

import json
import os

from django.core.management.base import BaseCommand
from django.db import connection
from django.utils.module_loading import autodiscover_modules

from datasets.imports.tasks import sweep
from datasets.jobs.worker import work

NICE = 10


class Command(BaseCommand):
    help = "Do tasks in the background: check and store uploads, make and push bundles. Any number of these, "
    help += "on any machine."

    def add_arguments(self, parser):
        parser.add_argument("--until-idle", action="store_true", help="end when nothing has come for a few seconds")

    def handle(self, until_idle, **options):
        autodiscover_modules("tasks")  # each app's kinds of tasks
        sweep()
        if connection.vendor != "sqlite":  # there who judges would wait for a worker that is not let on
            os.nice(NICE)  # who judges goes first
        self.stdout.write(json.dumps({"done": work(until_idle)}))

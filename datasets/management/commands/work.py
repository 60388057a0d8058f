import json
import os
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection
from django.utils.module_loading import autodiscover_modules

from datasets.imports.tasks import sweep
from datasets.jobs.worker import work

NICE = 10


class Command(BaseCommand):
    help = "Run background tasks: check and store uploads, make and push bundles. Any number of these workers may run, "
    help += "on any machines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--until-idle", action="store_true", help="exit after a few seconds without a task")

    def handle(self, until_idle: bool, **options: Any) -> None:
        autodiscover_modules("tasks")  # registers the kinds of tasks
        sweep()
        if connection.vendor != "sqlite":  # on SQLite, annotators would wait for a worker that is starved of CPU time
            os.nice(NICE)
        self.stdout.write(json.dumps({"done": work(until_idle)}))

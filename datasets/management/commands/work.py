import json
import os
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection
from django.utils.module_loading import autodiscover_modules

from datasets.imports.tasks import sweep
from datasets.jobs.lanes import work
from datasets.jobs.worker import LANES, work_until_idle

NICE = 10


class Command(BaseCommand):
    help = "Run background tasks: answers of models, uploads, bundles. Any number of workers may run, on any machines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--until-idle", action="store_true", help="exit after a few seconds without a task")
        parser.add_argument(
            "--lane",
            action="append",
            choices=list(LANES),
            help="only tasks of this lane; repeatable. chat: a person waits for it; generate: answers of models; "
            "bulk: everything else",
        )
        parser.add_argument("--beside", type=int, metavar="PID", help="exit when this parent process ends")

    def handle(self, until_idle: bool, lane: list[str] | None, beside: int | None, **options: Any) -> None:
        autodiscover_modules("tasks")  # registers the kinds of tasks
        sweep()
        if connection.vendor != "sqlite":  # on SQLite, annotators would wait for a worker that is starved of CPU time
            os.nice(NICE)
        if beside:
            threading.Thread(target=exit_with_parent, args=[beside], daemon=True).start()
        if until_idle:
            self.stdout.write(json.dumps({"done": work_until_idle()}))
            return
        try:
            work(lane or list(LANES))
        except KeyboardInterrupt:  # from a terminal, where it reaches the server too
            os._exit(0)  # without waiting for the threads


def exit_with_parent(parent: int) -> None:
    """Exits once the parent has ended; its tasks are claimed by another worker."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Serve /v1 (policies as OpenAI's chat API) in a process of its own, so that judging never waits for it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8001)
        parser.add_argument("--workers", type=int, default=1)

    def handle(self, host: str, port: int, workers: int, **options: Any) -> None:
        os.environ |= {"CHOSEN_POLICIES": "1", "START_WORKERS": "0"}
        address = ["--host", host, "--port", str(port), "--workers", str(workers)]
        os.chdir(settings.BASE_DIR)
        os.execv(sys.executable, [sys.executable, "-m", "config.serve", *address])

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from datasets.backup.restore import restore
from datasets.backup.write import BackupProblem, build_summary


class Command(BaseCommand):
    help = "Restore a backup into an empty database (after `migrate`), SQLite or PostgreSQL, whichever it came from: "
    help += "all of it or nothing. Stop the server first. Everybody has to sign in again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file")
        parser.add_argument("--replace", action="store_true", help="delete the contents of the database first")

    def handle(self, file: str, replace: bool, **options: Any) -> None:
        started = time.monotonic()
        try:
            manifest = restore(file, replace)
        except BackupProblem as problem:
            raise CommandError(str(problem), returncode=2) from None
        except OSError as error:
            raise CommandError(f"{error.filename or file}: {error.strerror}", returncode=2) from None
        account = {"file": file, "database": connection.vendor, **build_summary(manifest)}
        self.stdout.write(json.dumps({**account, "seconds": round(time.monotonic() - started, 3)}))

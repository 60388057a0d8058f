import json
import time

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from datasets.backup.restore import restore
from datasets.backup.write import BackupProblem, build_summary


class Command(BaseCommand):
    help = "Read a backup into an empty database (after `migrate`), SQLite or PostgreSQL, whichever wrote it: all of "
    help += "it or nothing. Stop the server first. Everybody signs in anew."

    def add_arguments(self, parser):
        parser.add_argument("file")
        parser.add_argument("--replace", action="store_true", help="all that the database holds is deleted first")

    def handle(self, file, replace, **options):
        started = time.monotonic()
        try:
            manifest = restore(file, replace)
        except BackupProblem as problem:
            raise CommandError(str(problem), returncode=2) from None
        except OSError as error:
            raise CommandError(f"{error.filename or file}: {error.strerror}", returncode=2) from None
        account = {"file": file, "database": connection.vendor, **build_summary(manifest)}
        self.stdout.write(json.dumps({**account, "seconds": round(time.monotonic() - started, 3)}))

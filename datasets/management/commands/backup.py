import hashlib
import json
import os
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from datasets.backup.write import BackupProblem, build_summary, write_backup


class Command(BaseCommand):
    help = "Write the whole database and the spools of imports to one file, while people judge. Leaves out sessions "
    help += "and the secret key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", help="a name ending in .zip; an existing file is replaced once the backup is complete"
        )

    def handle(self, file: str, **options: Any) -> None:
        started = time.monotonic()
        try:
            manifest = write_backup(file)
            with open(file, "rb") as written:
                sha256 = hashlib.file_digest(written, "sha256").hexdigest()
        except BackupProblem as problem:
            raise CommandError(str(problem), returncode=2) from None
        except OSError as error:
            raise CommandError(f"{error.filename or file}: {error.strerror}", returncode=2) from None
        account = {**build_summary(manifest), "bytes": os.path.getsize(file), "sha256": sha256}
        self.stdout.write(json.dumps({"file": file, **account, "seconds": round(time.monotonic() - started, 3)}))

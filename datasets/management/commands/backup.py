import hashlib
import json
import os
import time

from django.core.management.base import BaseCommand, CommandError

from datasets.backup.write import BackupProblem, build_summary, write_backup


class Command(BaseCommand):
    help = "Write the whole database and the spools of imports into one file, while people judge. Not in it: who is "
    help += "signed in, and the secret key."

    def add_arguments(self, parser):
        parser.add_argument("file", help="a name that ends in .zip; a file of that name is replaced once this is whole")

    def handle(self, file, **options):
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

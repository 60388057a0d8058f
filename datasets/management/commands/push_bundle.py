import json
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from datasets.bundles import tasks
from datasets.bundles.forms import PushForm
from datasets.bundles.hub import is_installed
from datasets.cli import find_dataset, format_form_errors
from datasets.models import Dataset, Job, Snapshot


class Command(BaseCommand):
    help = "Push a bundle to the Hugging Face Hub, or to the mirror in HF_ENDPOINT, with the token in HF_TOKEN. "
    help += "Exit 1: the push failed; 2: wrong usage."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument("number", type=int, help="the bundle's number")
        parser.add_argument("--repo", required=True, metavar="ORG/NAME", help="created as private if it does not exist")
        parser.add_argument("--public", action="store_true", help="make the repository readable for everybody")
        parser.add_argument("--token-stdin", action="store_true", help="read the token from stdin instead of HF_TOKEN")

    def handle(self, slug: str, number: int, repo: str, public: bool, token_stdin: bool, **options: Any) -> None:
        started = time.monotonic()
        if not is_installed():
            install = "pip install --require-hashes -r requirements-hub.txt"
            raise CommandError(f"The extra is missing: {install}", returncode=2)
        snapshot = find_bundle(find_dataset(slug), number)
        form = PushForm({"repo": repo, "public": public, "token": sys.stdin.readline().strip() if token_stdin else ""})
        if not form.is_valid():
            raise CommandError(format_form_errors(form), returncode=2)
        job = tasks.start_push(snapshot, None, **form.cleaned_data, here=True)
        if job.state != Job.State.DONE:
            raise CommandError(job.error or job.get_state_display(), returncode=1)
        self.stdout.write(json.dumps({**job.result, "seconds": round(time.monotonic() - started, 3)}))


def find_bundle(dataset: Dataset, number: int) -> Snapshot:
    snapshot = dataset.snapshots.filter(number=number, is_whole=True).first()
    if snapshot is None:
        numbers = ", ".join(
            str(other) for other in dataset.snapshots.filter(is_whole=True).values_list("number", flat=True)
        )
        raise CommandError(f"There is no bundle {number}. There are: {numbers or 'none'}", returncode=2)
    return snapshot

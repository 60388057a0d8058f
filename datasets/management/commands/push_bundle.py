import json
import sys
import time

from django.core.management.base import BaseCommand, CommandError

from datasets.bundles import tasks
from datasets.bundles.forms import PushForm
from datasets.bundles.hub import is_installed
from datasets.cli import find_dataset, format_form_errors
from datasets.models import Job


class Command(BaseCommand):
    help = (
        "Push a bundle to the Hugging Face Hub, or to the mirror in HF_ENDPOINT, with the token in HF_TOKEN. Exit 1: "
    )
    help += "it could not be done; 2: wrong usage."

    def add_arguments(self, parser):
        parser.add_argument("slug", help="the dataset's short name")
        parser.add_argument("number", type=int, help="the bundle's number")
        parser.add_argument("--repo", required=True, metavar="ORG/NAME", help="made, as private, where there is none")
        parser.add_argument("--public", action="store_true", help="everybody may read it")
        parser.add_argument("--token-stdin", action="store_true", help="read the token from stdin instead of HF_TOKEN")

    def handle(self, slug, number, repo, public, token_stdin, **options):
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


def find_bundle(dataset, number):
    snapshot = dataset.snapshots.filter(number=number, is_whole=True).first()
    if snapshot is None:
        numbers = ", ".join(
            str(other) for other in dataset.snapshots.filter(is_whole=True).values_list("number", flat=True)
        )
        raise CommandError(f"There is no bundle {number}. There are: {numbers or 'none'}", returncode=2)
    return snapshot

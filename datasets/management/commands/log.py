import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from datasets.audit.listing import LogFilter, iter_rows
from datasets.cli import format_form_errors
from datasets.models import Change, Dataset


class Command(BaseCommand):
    help = "Print the audit log of a dataset, even a deleted one, or of all datasets: newest first, as JSON Lines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", nargs="?", help="the dataset's short name")
        parser.add_argument("--kind", help=", ".join(Change.Kind.values))
        parser.add_argument("--person", metavar="NAME", help="who made the change, or whom it concerns")

    def handle(self, slug: str | None, kind: str | None, person: str | None, **options: Any) -> None:
        changes = Change.objects.filter(slug=slug) if slug else Change.objects.all()
        if slug and not changes.exists() and not Dataset.objects.filter(slug=slug).exists():
            raise CommandError(f"There is no dataset {slug}, nor was there one.", returncode=2)
        form = LogFilter({"kind": kind or "", "person": person or ""})
        if not form.is_valid():
            raise CommandError(format_form_errors(form), returncode=2)
        printed = 0
        for row in iter_rows(form.apply(changes)):
            self.stdout.write(json.dumps(row, ensure_ascii=False))
            printed += 1
        self.stdout.write(json.dumps({"dataset": slug, "changes": printed}))

import json

from django.core.management.base import BaseCommand, CommandError

from datasets import reasons
from datasets.imports.undo import CannotUndo, undo_import
from datasets.models import Import


class Command(BaseCommand):
    help = "Take an import back, as long as nobody has judged what it brought. Without a number: list the imports."

    def add_arguments(self, parser):
        parser.add_argument("number", nargs="?", type=int, help="the import's number, as in its page's address")

    def handle(self, number, **options):
        if number is None:
            for run in Import.objects.order_by("pk").select_related("dataset"):
                self.stdout.write(f"{run.pk}\t{run.slug}\t{run.state}\t{run.created_at:%Y-%m-%d %H:%M}\t{run}")
            return
        run = Import.objects.filter(pk=number).first()
        if run is None:
            raise CommandError(f"There is no import {number}.", returncode=2)
        try:
            undo_import(run)
        except CannotUndo as why:
            raise CommandError(str(reasons.CANNOT_UNDO[why.reason]), returncode=1) from None
        self.stdout.write(json.dumps({"import": number, "dataset": run.slug, "state": run.state}))

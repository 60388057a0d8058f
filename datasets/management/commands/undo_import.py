import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from datasets import reasons
from datasets.imports.undo import CannotUndo, undo_import
from datasets.models import Import


class Command(BaseCommand):
    help = "Undo an import, as long as nobody has judged its rows. Without a number: list the imports."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", nargs="?", type=int, help="the import's number, as in the URL of its page")

    def handle(self, number: int | None, **options: Any) -> None:
        if number is None:
            for one in Import.objects.order_by("pk").select_related("dataset"):
                self.stdout.write(f"{one.pk}\t{one.slug}\t{one.state}\t{one.created_at:%Y-%m-%d %H:%M}\t{one}")
            return
        run = Import.objects.filter(pk=number).first()
        if run is None:
            raise CommandError(f"There is no import {number}.", returncode=2)
        try:
            undo_import(run)
        except CannotUndo as why:
            raise CommandError(str(reasons.CANNOT_UNDO[why.reason]), returncode=1) from None
        self.stdout.write(json.dumps({"import": number, "dataset": run.slug, "state": run.state}))

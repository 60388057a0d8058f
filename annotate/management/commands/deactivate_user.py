import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotate import people
from annotate.models import User


class Command(BaseCommand):
    help = "Deactivate a user: their leases return to the queue, their judgments stay. --back activates the user again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--back", action="store_true", help="activate the user again")

    def handle(self, name: str, back: bool, **options: Any) -> None:
        person = User.objects.filter(username=name).first()
        if person is None:
            raise CommandError(f"There is nobody called {name}.", returncode=2)
        try:
            people.reactivate(person) if back else people.deactivate(person)
        except people.LastAdmin:
            raise CommandError("This is the last admin: somebody has to look after the others.", returncode=1) from None
        self.stdout.write(json.dumps({"user": name, "active": back}, ensure_ascii=False))

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotate import people
from annotate.models import User


class Command(BaseCommand):
    help = "Invite a user, or issue a new link for an existing one. The link lets them set their password once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--role", choices=User.Role.values, default=User.Role.ANNOTATOR)

    def handle(self, name: str, role: str, **options: Any) -> None:
        person = User.objects.filter(username=name).first()
        if person is None:
            try:
                User(username=name, password="-").full_clean()
                person = people.invite(name, role)
            except ValidationError as error:
                raise CommandError("; ".join(error.messages), returncode=2) from None
            except people.NameTaken:
                raise CommandError(f"Somebody has the name {name} already.", returncode=2) from None
        link = people.issue_link(person)
        self.stdout.write(json.dumps({"user": name, "role": person.role, "link": link}, ensure_ascii=False))

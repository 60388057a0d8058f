import json

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from annotate import people
from annotate.models import User


class Command(BaseCommand):
    help = "Invite a person, or make a new link for one who is there. The link's path sets the password, once."

    def add_arguments(self, parser):
        parser.add_argument("name")
        parser.add_argument("--role", choices=User.Role.values, default=User.Role.ANNOTATOR)

    def handle(self, name, role, **options):
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

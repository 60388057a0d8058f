import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotate import people
from annotate.models import User
from datasets.cli import find_dataset


class Command(BaseCommand):
    help = "Invite a user, or issue a new link for an existing one. The link lets them set their password once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--role", choices=User.Role.values, default=User.Role.ANNOTATOR, help="of a new user")
        parser.add_argument(
            "--dataset",
            action="append",
            default=[],
            metavar="SLUG",
            help="add the user to its annotators; may repeat. No effect on a dataset that is open to all annotators",
        )

    def handle(self, name: str, role: str, dataset: list[str], **options: Any) -> None:
        datasets = [find_dataset(slug) for slug in dataset]
        person = User.objects.filter(username=name).first()
        if person is None:
            try:
                User(username=name, password="-").full_clean()
                person = people.invite(name, role, datasets=datasets)
            except ValidationError as error:
                raise CommandError("; ".join(error.messages), returncode=2) from None
            except people.NameTaken:
                raise CommandError(f"Somebody has the name {name} already.", returncode=2) from None
        else:
            people.change_assignments(person, add=datasets)
        assigned = list(person.datasets.order_by("slug").values_list("slug", flat=True))
        said = {"user": name, "role": person.role, "datasets": assigned, "link": people.issue_link(person)}
        self.stdout.write(json.dumps(said, ensure_ascii=False))

import json

from django.core.management.base import BaseCommand, CommandError

from annotate import people
from annotate.models import User


class Command(BaseCommand):
    help = (
        "Shut a person out: what they have in hand goes to others, what they judged stays. --back lets them in again."
    )

    def add_arguments(self, parser):
        parser.add_argument("name")
        parser.add_argument("--back", action="store_true", help="let them in again")

    def handle(self, name, back, **options):
        person = User.objects.filter(username=name).first()
        if person is None:
            raise CommandError(f"There is nobody called {name}.", returncode=2)
        try:
            people.reactivate(person) if back else people.deactivate(person)
        except people.LastAdmin:
            raise CommandError("This is the last admin: somebody has to look after the others.", returncode=1) from None
        self.stdout.write(json.dumps({"user": name, "active": back}, ensure_ascii=False))

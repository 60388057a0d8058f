import json
import sys

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from annotate.models import User


class Command(BaseCommand):
    help = "Create a person, or change their role and password. The password is read from stdin."

    def add_arguments(self, parser):
        parser.add_argument("name")
        parser.add_argument("--role", choices=User.Role.values, required=True)
        parser.add_argument("--password-stdin", action="store_true", required=True)

    def handle(self, name, role, **options):
        password = sys.stdin.read().removesuffix("\n").removesuffix("\r")
        if not password:
            raise CommandError("There is no password on stdin.", returncode=2)
        user = User.objects.filter(username=name).first() or User(username=name)
        created = user.pk is None
        user.role = role
        user.set_password(password)
        try:
            user.full_clean()
        except ValidationError as error:
            raise CommandError("; ".join(error.messages), returncode=2) from None
        user.save()
        self.stdout.write(json.dumps({"user": name, "role": role, "created": created}, ensure_ascii=False))

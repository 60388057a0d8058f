import json
import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from annotate import people
from annotate.models import User
from datasets.audit.log import Kind, log


class Command(BaseCommand):
    help = "Create a user, or change the role and password of an existing one. Reads the password from stdin."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--role", choices=User.Role.values, required=True)
        parser.add_argument("--password-stdin", action="store_true", required=True)

    def handle(self, name: str, role: str, **options: Any) -> None:
        try:
            password = sys.stdin.read().removesuffix("\n").removesuffix("\r")
            password.encode()
        except UnicodeError:
            raise CommandError("The password on stdin is no UTF-8.", returncode=2) from None
        if not password:
            raise CommandError("There is no password on stdin.", returncode=2)
        user = User.objects.filter(username=name).first() or User(username=name)
        if user.pk is None and people.is_taken(name):
            raise CommandError(f"Somebody has the name {name}, or one that differs in case only.", returncode=2)
        created, was = user.pk is None, None if user.pk is None else user.role
        user.role = role
        user.set_password(password)
        try:
            user.full_clean()
        except ValidationError as error:
            raise CommandError("; ".join(error.messages), returncode=2) from None
        with transaction.atomic():
            user.save()
            if was != role:
                log(Kind.PERSON, name, was, role)
            if not created and was != role:
                people.end_access(user, people.is_demotion(was, role))
            if not created:
                log(Kind.PERSON, name, None, "password")
        self.stdout.write(json.dumps({"user": name, "role": role, "created": created}, ensure_ascii=False))

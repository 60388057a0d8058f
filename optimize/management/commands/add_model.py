import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from optimize import reasons
from optimize.versions import WrongModel, save_version


class Command(BaseCommand):
    help = (
        "Add a model that answers prompts, or its next version. A version that nothing has used is replaced in place."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="name of the model here; its answers get the source NAME@VERSION")
        parser.add_argument("--url", required=True, help="address of the server, up to /chat/completions")
        parser.add_argument("--model", required=True, metavar="ID", help="name of the model at the server")
        parser.add_argument("--system", default="", metavar="TEXT", help="system text")
        parser.add_argument("--temperature", type=float, metavar="T")
        parser.add_argument("--top-p", type=float, metavar="P")
        parser.add_argument("--max-tokens", type=int, metavar="N", help="longest answer")
        parser.add_argument(
            "--extra", default="{}", metavar="JSON", help="further fields of the request; null omits one"
        )
        parser.add_argument("--key", default="", metavar="NAME", help="the key in the variable CHOSEN_KEY_NAME")

    def handle(self, name: str, **options: Any) -> None:
        try:
            parameters = json.loads(options["extra"])
        except ValueError:
            parameters = None
        if not isinstance(parameters, dict):
            raise CommandError("--extra: not a JSON object", returncode=2)
        for option in ("temperature", "top_p", "max_tokens"):
            if options[option] is not None:
                parameters[option] = options[option]
        try:
            version = save_version(
                name, options["url"], options["model"], options["system"], parameters, options["key"]
            )
        except WrongModel as why:
            raise CommandError(f"{why.field}: {reasons.MODEL[why.reason]}", returncode=2) from None
        summary = {"model": version.name, "version": version.number, "source": version.source}
        self.stdout.write(json.dumps(summary))

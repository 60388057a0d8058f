import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.forms import BooleanField, model_to_dict

from annotate.settings_forms import FIELDS, FORMS, build_form_data
from datasets.cli import find_dataset, format_form_errors


class Command(BaseCommand):
    help = (
        "Change settings of a dataset; settings without an option stay unchanged. Boolean settings take yes or no; "
        "criteria, chips and annotators take one entry per line."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="short name of the dataset")
        for name, field in FIELDS.items():
            parser.add_argument(format_option(name), metavar="VALUE", help=str(field.label))

    def handle(self, slug: str, **options: Any) -> None:
        dataset = find_dataset(slug)
        changes = {name: parse_value(name, options[name]) for name in FIELDS if options.get(name) is not None}
        forms = [form(build_form_data(form(instance=dataset), changes), instance=dataset) for form in FORMS]
        if wrong := [format_form_errors(form) for form in forms if form.errors]:
            raise CommandError("; ".join(wrong), returncode=2)
        for form in forms:
            form.save()
        stands = {name: value for name, value in model_to_dict(dataset, FIELDS).items() if name != "annotators"}
        people = [person.username for person in dataset.annotators.order_by("username")]
        self.stdout.write(json.dumps({"dataset": slug, **stands, "annotators": people}, ensure_ascii=False))


def format_option(name: str) -> str:
    """The command-line option of a setting."""
    return f"--{name.replace('_', '-')}"


def parse_value(name: str, text: str) -> str | bool:
    """The form value of an option. Raises CommandError if a Boolean is neither yes nor no."""
    if not isinstance(FIELDS[name], BooleanField):
        return text
    if text not in ("yes", "no"):
        raise CommandError(f"{format_option(name)}: yes or no", returncode=2)
    return text == "yes"

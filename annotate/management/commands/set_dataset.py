import json

from django.core.management.base import BaseCommand, CommandError
from django.forms import BooleanField, model_to_dict

from annotate.settings_forms import FIELDS, FORMS, build_form_data
from datasets.cli import find_dataset


class Command(BaseCommand):
    help = (
        "Change settings of a dataset: what is not named stays. Yes-or-no settings take yes or no; "
        "criteria, chips and annotators one a line."
    )

    def add_arguments(self, parser):
        parser.add_argument("slug", help="the dataset's short name")
        for name, field in FIELDS.items():
            parser.add_argument(format_option(name), metavar="VALUE", help=str(field.label))

    def handle(self, slug, **options):
        dataset = find_dataset(slug)
        changes = {name: parse_value(name, options[name]) for name in FIELDS if options.get(name) is not None}
        forms = [form(build_form_data(form(instance=dataset), changes), instance=dataset) for form in FORMS]
        if wrong := [f"{format_option(name)}: {' '.join(why)}" for form in forms for name, why in form.errors.items()]:
            raise CommandError("; ".join(wrong), returncode=2)
        for form in forms:
            form.save()
        stands = {name: value for name, value in model_to_dict(dataset, FIELDS).items() if name != "annotators"}
        people = [person.username for person in dataset.annotators.order_by("username")]
        self.stdout.write(json.dumps({"dataset": slug, **stands, "annotators": people}, ensure_ascii=False))


def format_option(name):
    return f"--{name.replace('_', '-')}"


def parse_value(name, text):
    """What stands in the form for what was said on the command line."""
    if not isinstance(FIELDS[name], BooleanField):
        return text
    if text not in ("yes", "no"):
        raise CommandError(f"{format_option(name)}: yes or no", returncode=2)
    return text == "yes"

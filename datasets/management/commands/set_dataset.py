import json

from django.core.management.base import BaseCommand, CommandError
from django.forms import BooleanField, model_to_dict

from datasets.forms import SettingsForm
from datasets.management.commands.export_dataset import found_dataset

FIELDS = SettingsForm.base_fields


class Command(BaseCommand):
    help = "Change settings of a dataset: what is not named stays. Yes-or-no settings take yes or no."

    def add_arguments(self, parser):
        parser.add_argument("slug", help="the dataset's short name")
        for name, field in FIELDS.items():
            parser.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=str(field.label))

    def handle(self, slug, **options):
        dataset = found_dataset(slug)
        said = {name: options[name] for name in FIELDS if options.get(name) is not None}
        form = SettingsForm(form_data(dataset, said), instance=dataset)
        if not form.is_valid():
            told = "; ".join(f"--{name.replace('_', '-')}: {' '.join(why)}" for name, why in form.errors.items())
            raise CommandError(told, returncode=2)
        form.save()
        stands = {name: value for name, value in model_to_dict(dataset, FIELDS).items() if name != "annotators"}
        people = [person.username for person in dataset.annotators.order_by("username")]
        self.stdout.write(json.dumps({"dataset": slug, **stands, "annotators": people}, ensure_ascii=False))


def form_data(dataset, said):
    """What the settings form would post: as it stands, with what was said."""
    form = SettingsForm(instance=dataset)
    data = {name: form[name].value() for name in FIELDS} | said
    for name, field in FIELDS.items():
        if isinstance(field, BooleanField) and name in said:
            if said[name] not in ("yes", "no"):
                raise CommandError(f"--{name.replace('_', '-')}: yes or no", returncode=2)
            data[name] = said[name] == "yes"
    return {name: "" if value is None else value for name, value in data.items()}

"""A new dataset, by the forms of the pages."""

from django.db import IntegrityError, transaction
from django.forms import model_to_dict
from django.utils.translation import gettext as _

from annotate.management.commands.set_dataset import FIELDS, FORMS, form_data
from annotate.question_forms import line_of
from api.problems import Problem, error, of_forms
from datasets.models import RESERVED_SLUGS, Dataset


def make_dataset(slug, by=None, **settings):
    """The new dataset. Raises Problem: 409 where there is one of this name, 422 where a form refuses a setting."""
    if slug in RESERVED_SLUGS:
        words = _("This short name cannot be taken.")
        raise Problem(422, words, [error("reserved", words, "slug")])
    dataset, said = Dataset(slug=slug), {name: in_form(value) for name, value in settings.items()}
    forms = [form(form_data(form(instance=dataset), said), instance=dataset) for form in FORMS]
    if not all(form.is_valid() for form in forms):
        raise of_forms(*forms)
    try:
        with transaction.atomic():
            for form in forms:
                form.save(by=by)
    except IntegrityError:
        raise Problem(409, _("There is a dataset of this name already.")) from None
    return dataset


def in_form(value):
    """What stands in a form for a value of JSON."""
    if isinstance(value, list):
        return "\n".join(line_of(one) if isinstance(one, dict) else one for one in value)
    return value


def settings_of(dataset):
    """All that can be set of a dataset, as set_dataset prints it."""
    people = [person.username for person in dataset.annotators.order_by("username")]
    return {**model_to_dict(dataset, [name for name in FIELDS if name != "annotators"]), "annotators": people}

"""A new dataset, by the forms of the pages."""

from django.db import IntegrityError, transaction
from django.forms import model_to_dict
from django.utils.translation import gettext as _

from annotate.question_forms import format_criterion
from annotate.settings_forms import FIELDS, FORMS, build_form_data
from api.problems import Problem, build_error, build_form_problem
from datasets.models import RESERVED_SLUGS, Dataset


def create_dataset(slug, by=None, **settings):
    """The new dataset. Raises Problem: 409 where there is one of this name, 422 where a form refuses a setting."""
    if slug in RESERVED_SLUGS:
        words = _("This short name cannot be taken.")
        raise Problem(422, words, [build_error("reserved", words, "slug")])
    dataset, values = Dataset(slug=slug), {name: format_form_value(value) for name, value in settings.items()}
    forms = [form(build_form_data(form(instance=dataset), values), instance=dataset) for form in FORMS]
    if not all(form.is_valid() for form in forms):
        raise build_form_problem(*forms)
    try:
        with transaction.atomic():
            for form in forms:
                form.save(by=by)
    except IntegrityError:
        raise Problem(409, _("There is a dataset of this name already.")) from None
    return dataset


def format_form_value(value):
    """What stands in a form for a value of JSON."""
    if isinstance(value, list):
        return "\n".join(format_criterion(item) if isinstance(item, dict) else item for item in value)
    return value


def collect_settings(dataset):
    """All that can be set of a dataset, as set_dataset prints it."""
    people = [person.username for person in dataset.annotators.order_by("username")]
    return {**model_to_dict(dataset, [name for name in FIELDS if name != "annotators"]), "annotators": people}

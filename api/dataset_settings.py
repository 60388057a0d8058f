"""Datasets created through the API, validated by the same forms as on the pages."""

from typing import Any

from django.db import IntegrityError, transaction
from django.forms import model_to_dict
from django.utils.translation import gettext as _

from annotate.models import User
from annotate.question_forms import format_criterion
from annotate.settings_forms import FIELDS, FORMS, build_form_data
from api.problems import Problem, build_error, build_form_problem
from datasets.models import RESERVED_SLUGS, Dataset


def create_dataset(slug: str, by: User | None = None, **settings: Any) -> Dataset:
    """A new dataset.

    by: the user in the audit log.
    settings: JSON values by field name; those left out keep their defaults.

    Raises Problem: 409 if the short name is taken, 422 if a form rejects a setting.
    """
    if slug in RESERVED_SLUGS:
        words = _("This short name is reserved.")
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
        raise Problem(409, _("A dataset with this short name already exists.")) from None
    return dataset


def format_form_value(value: Any) -> Any:
    """A JSON value as the form field expects it: lists become lines."""
    if isinstance(value, list):
        return "\n".join(format_criterion(item) if isinstance(item, dict) else item for item in value)
    return value


def collect_settings(dataset: Dataset) -> dict[str, Any]:
    """All settings of a dataset, as the command set_dataset prints them."""
    people = [person.username for person in dataset.annotators.order_by("username")]
    return {**model_to_dict(dataset, [name for name in FIELDS if name != "annotators"]), "annotators": people}

"""All settings forms of a dataset, for callers other than the pages."""

from collections.abc import Mapping
from typing import Any

from django import forms

from annotate.question_forms import QuestionForm
from datasets.forms import SettingsForm

FORMS = (SettingsForm, QuestionForm)
FIELDS = {name: field for form in FORMS for name, field in form.base_fields.items()}


def build_form_data(form: forms.BaseForm, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The data that the form would post with its current values and these changes. changes: {field name: value}."""
    data = {name: changes.get(name, form[name].value()) for name in form.fields}
    return {name: "" if value is None else value for name, value in data.items()}

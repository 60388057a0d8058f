"""The forms that hold all settings of a dataset, for those who set them without the pages."""

from annotate.question_forms import QuestionForm
from datasets.forms import SettingsForm

FORMS = (SettingsForm, QuestionForm)
FIELDS = {name: field for form in FORMS for name, field in form.base_fields.items()}


def build_form_data(form, changes):
    """What a form would post: as it stands, with what was said."""
    data = {name: changes.get(name, form[name].value()) for name in form.fields}
    return {name: "" if value is None else value for name, value in data.items()}

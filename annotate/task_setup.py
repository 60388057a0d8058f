"""Sets up the task of a dataset in one act: from a template, or as another dataset has it.

The task is the question with its options, criteria and reasons, and the guideline. It is validated and saved as on the
pages: audit log, one new version of the guideline, comparisons that follow the question. Judgments stay as they are.
"""

from collections.abc import Mapping
from typing import Any

from annotate.models import User
from annotate.question_forms import QuestionForm, format_criterion
from annotate.settings_forms import build_form_data
from annotate.task_templates import find_template, find_texts
from datasets.models import Dataset


class TaskForm(QuestionForm):
    """The question of a dataset and its guideline: saved together, they make one version."""

    class Meta(QuestionForm.Meta):
        fields = [*QuestionForm.Meta.fields, "guideline"]


class InvalidTask(ValueError):
    """A task that the form rejects; its text names the fields."""


def apply_template(dataset: Dataset, name: str, language: str, by: User | None = None) -> Dataset:
    """Gives the dataset the task of a template, in a language that the template has.

    Settings that the template leaves open stay. by: the admin, for the audit log; None for a command.

    Raises UnknownTemplate (annotate.task_templates).
    """
    return save_task(dataset, build_template_values(name, language), by)


def copy_task(source: Dataset, dataset: Dataset, by: User | None = None) -> Dataset:
    """Gives the dataset the task of another one.

    Raises InvalidTask where the source has settings from an older version that the form rejects.
    """
    return save_task(dataset, build_copied_values(source), by)


def build_template_values(name: str, language: str) -> dict[str, Any]:
    """What a template fills in, as values of TaskForm. Raises UnknownTemplate."""
    template = find_template(name)
    texts = find_texts(template, language)
    criteria = [{"name": criterion, "guideline": guideline} for criterion, guideline in texts.criteria]
    return {
        **template.settings,
        "criteria": "\n".join(map(format_criterion, criteria)),
        "chips": "\n".join(texts.chips),
        "guideline": texts.guidelines,
    }


def build_copied_values(source: Dataset) -> dict[str, Any]:
    """The task of a dataset, as values of TaskForm."""
    return build_form_data(TaskForm(instance=source), {})


def save_task(dataset: Dataset, values: Mapping[str, Any], by: User | None) -> Dataset:
    """The dataset, saved with these values of TaskForm. Raises InvalidTask."""
    form = TaskForm(build_form_data(TaskForm(instance=dataset), values), instance=dataset)
    if not form.is_valid():
        wrong = [f"{form[name].label}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()]
        raise InvalidTask("; ".join(wrong))
    return form.save(by=by)

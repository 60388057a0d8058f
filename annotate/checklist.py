"""The checklist of a draft: what an admin does before people annotate."""

from typing import NamedTuple

from django.urls import reverse
from django.utils.translation import gettext as _

from annotate.question_forms import format_label
from annotate.wording import Label
from datasets.models import Dataset, Prompt


class Step(NamedTuple):
    """A step of the checklist. detail: what stands now. act: the words of its button. url: where it is done."""

    key: str
    label: Label
    detail: Label
    act: Label
    url: str
    is_done: bool


def build_checklist(dataset: Dataset) -> list[Step]:
    """The steps in their order, without the last one, which opens the dataset."""
    done, n = dataset.setup_done, Prompt.objects.visible().filter(dataset=dataset)[:1].count()
    url = lambda page: reverse(page, args=[dataset.slug])  # noqa: E731
    assigned = dataset.annotators.count()
    people = _("%(n)s assigned") % {"n": assigned} if assigned else _("all annotators")
    is_written = bool(dataset.guideline.strip())
    guidelines = _("written") if is_written else _("none yet")
    return [
        Step("data", _("Data"), _("prompts and answers to compare"), _("Import"), url("data"), n > 0),
        Step("task", _("Task"), format_label(dataset.question), _("Choose"), url("question"), "task" in done),
        Step(
            "guidelines",
            _("Guidelines"),
            guidelines,
            _("Write"),
            url("guidelines"),
            is_written or "guidelines" in done,
        ),
        Step("annotators", _("Annotators"), people, _("Assign"), url("annotators"), "annotators" in done),
        Step("try", _("Try it yourself"), _("ten comparisons; nothing is saved"), _("Try"), url("try"), "try" in done),
    ]

"""Labels of questions, verdicts and fields on the judging pages."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from datasets.judgments import wording

if TYPE_CHECKING:
    from datasets.models import Dataset

Label: TypeAlias = str | Promise

BUTTONS: dict[str, Label] = {  # the labels of verdicts, except for buttons that act instead of stating a verdict
    **wording.VERDICTS,
    "rank": _("Save the order"),
    "rate": _("Save the stars"),
    "repair": _("Save the better answer"),
    "flag": _("Flag"),
    "keep": _("Keep"),
}
STEPS: dict[str, Label] = {  # on a scale, next to the letter of the response
    "left3": pgettext_lazy("scale", "much"),
    "left2": pgettext_lazy("scale", "clearly"),
    "left1": pgettext_lazy("scale", "slightly"),
    "right1": pgettext_lazy("scale", "slightly"),
    "right2": pgettext_lazy("scale", "clearly"),
    "right3": pgettext_lazy("scale", "much"),
}
QUESTIONS: dict[str, Label] = {
    "pair": _("Which answer is better?"),
    "scale": _("Which answer is better, and how much?"),
    "rank": _("In which order are the answers, best first?"),
    "best_worst": _("Which answer is the best, which the worst?"),
    "stars": _("How good is each answer?"),
    "repair": _("All answers were found bad. Write a better one."),
}
CHIPS: dict[str, Label] = {  # default reasons; stored in English whatever the language of the page
    "more correct": _("more correct"),
    "follows the instruction better": _("follows the instruction better"),
    "more complete": _("more complete"),
    "clearer": _("clearer"),
    "better form": _("better form"),
    "better tone": _("better tone"),
    "safer": _("safer"),
    "shorter": _("shorter"),
}
PLACES: dict[int, Label] = {
    1: pgettext_lazy("answer", "best"),
    2: pgettext_lazy("answer", "in between"),
    3: pgettext_lazy("answer", "worst"),
}


def format_verdict(verdict: str) -> Label:
    """The label of a standing verdict; the code itself if it has none."""
    return wording.VERDICTS.get(verdict, verdict)


def format_question(name: str) -> Label:
    """The text of a question; its name if it has none."""
    return QUESTIONS.get(name, name)


def get_chips(dataset: "Dataset") -> Mapping[str, Label]:
    """The reasons that a dataset offers: {stored value: label}."""
    return {chip: chip for chip in dataset.chips} or CHIPS


def format_short_verdict(verdict: str) -> Label:
    """The short label of a verdict on a scale: the letter of the response, and how much better it is."""
    letter = {"left": "A", "right": "B"}.get(verdict.rstrip("123"), "")
    if verdict in STEPS:
        return f"{letter} {STEPS[verdict]}"
    return letter or BUTTONS.get(verdict, verdict)

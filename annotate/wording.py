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
    "rank": _("Save"),
    "rate": _("Save"),
    "repair": _("Save"),
    "flag": _("Report a problem"),
    "keep": _("Keep"),
}
QUESTIONS: dict[str, Label] = {
    "pair": _("Which answer is better?"),
    "scale": _("Which answer is better, and how much?"),
    "rank": _("Rank the answers from best to worst"),
    "best_worst": _("Pick the best and the worst answer"),
    "stars": _("Rate each answer (1–5 stars)"),
    "repair": _("All answers were judged bad. Write a better one."),
}
CHIPS: dict[str, Label] = {  # default reasons; stored in English whatever the language of the page
    "more correct": _("more correct"),
    "follows instructions better": _("follows instructions better"),
    "more complete": _("more complete"),
    "clearer": _("clearer"),
    "better formatting": _("better formatting"),
    "better tone": _("better tone"),
    "safer": _("safer"),
    "shorter": _("shorter"),
}
OLD_CHIPS = (_("follows instructions better"), _("better formatting"))  # of earlier versions; judgments keep them
CANNOT_REVIEW: dict[str, Label] = {
    "inactive": _("The dataset is paused or archived: nothing can be decided now."),
    "paused": _("You are paused on this dataset."),
    "reopened": _("You have reopened another decision: finish that one under Review first."),
    "settled": _("This was decided already; nothing has changed."),
    "own": _("You judged or flagged this comparison yourself, so another reviewer must decide it."),
    "taken": _("Another reviewer is deciding this comparison now."),
}
PLACES: dict[int, Label] = {
    1: pgettext_lazy("answer", "best"),
    2: pgettext_lazy("answer", "–"),
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


def get_span_labels(dataset: "Dataset") -> Mapping[str, Label]:
    """The labels that a dataset offers for highlights: {stored value: label}."""
    return {label: label for label in dataset.span_labels} or wording.SPAN_LABELS

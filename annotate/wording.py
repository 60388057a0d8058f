"""The words of verdicts and fields on the pages: on a button, in a row of small ones, and for what stands."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from datasets.judgments import wording

BUTTONS = wording.VERDICTS | {  # where a button does something other than say what stands
    "rank": _("Save the order"),
    "rate": _("Save the stars"),
    "repair": _("Save the better answer"),
    "flag": _("Flag"),
    "keep": _("Keep"),
}
STEPS = {  # on a scale, under the letter of the answer
    "left3": pgettext_lazy("scale", "much"),
    "left2": pgettext_lazy("scale", "clearly"),
    "left1": pgettext_lazy("scale", "slightly"),
    "right1": pgettext_lazy("scale", "slightly"),
    "right2": pgettext_lazy("scale", "clearly"),
    "right3": pgettext_lazy("scale", "much"),
}
QUESTIONS = {
    "pair": _("Which answer is better?"),
    "scale": _("Which answer is better, and how much?"),
    "rank": _("In which order are the answers, best first?"),
    "best_worst": _("Which answer is the best, which the worst?"),
    "stars": _("How good is each answer?"),
    "repair": _("All answers were found bad. Write a better one."),
}
CHIPS = {  # the reasons offered, unless the admin has other ones; kept in English, whoever chooses them
    "more correct": _("more correct"),
    "follows the instruction better": _("follows the instruction better"),
    "more complete": _("more complete"),
    "clearer": _("clearer"),
    "better form": _("better form"),
    "better tone": _("better tone"),
    "safer": _("safer"),
    "shorter": _("shorter"),
}
PLACES = {
    1: pgettext_lazy("answer", "best"),
    2: pgettext_lazy("answer", "in between"),
    3: pgettext_lazy("answer", "worst"),
}


def format_verdict(verdict):
    """What a verdict that stands says, in words; one of a question without any goes by its name."""
    return wording.VERDICTS.get(verdict, verdict)


def format_question(name):
    """What a question asks, in words; a question without any goes by its name."""
    return QUESTIONS.get(name, name)


def get_chips(dataset):
    """{what is kept: what is shown} of the reasons that a dataset offers."""
    return {chip: chip for chip in dataset.chips} or CHIPS


def format_short_verdict(verdict):
    """A verdict on a button of a row: the letter of the answer, and how much better."""
    letter = {"left": "A", "right": "B"}.get(verdict.rstrip("123"), "")
    if verdict in STEPS:
        return f"{letter} {STEPS[verdict]}"
    return letter or BUTTONS.get(verdict, verdict)

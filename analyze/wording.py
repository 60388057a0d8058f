"""Translations of the names and English texts that reports store."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from analyze.shapes import PersonLine

T = TypeVar("T")

NAMES = {
    # rates
    "percent": _("Say the same"),
    "alpha": _("Beyond chance (alpha)"),
    "alpha_strength": _("Beyond chance, by strength"),
    "agreement": _("Agrees with others"),
    "gold": _("Right where the answer is known"),
    "self_consistency": _("Says the same again"),
    "left_share": _("Left chosen"),
    "longer_share": _("Longer chosen"),
    "tie_share": _("Ties"),
    "longer_won": _("The longer answer"),
    "left_won": _("The answer on the left"),
    "lists_won": _("The one with more lists"),
    "headings_won": _("The one with more headings"),
    "code_won": _("The one with more code"),
    "bold_won": _("The one with more bold words"),
    "refusals_won": _("The one that refuses"),
    "accuracy": _("The model"),
    "baseline_longer": _("“The longer one wins”"),
    "baseline_source": _("“The stronger source wins”"),
    # controls and traits
    "length": _("Length"),
    "left": _("Standing on the left"),
    "lists": _("Lists"),
    "headings": _("Headings"),
    "code": _("Code"),
    "bold": _("Bold words"),
    "refusals": _("Refusals"),
    # tables
    "counts": _("Answers"),
    "sources": _("Sources"),
    "strengths": _("Strengths"),
    "controlled": _("Strengths, length and side aside"),
    "effects": _("Length and side"),
    "matrix": _("Who won against whom"),
    "parts": _("By tag and language"),
    "people": _("Pairs of people"),
    "bands": _("What others found"),
    "alpha_bands": _("What others found, beyond chance"),
    "annotators": _("People"),
    "bias": _("Bias"),
    "balance": _("Balanced length"),
    "predictor": _("Prediction"),
    "calibration": _("What was said, and what came"),
    "curve": _("What more choices would bring"),
    "suspicious": _("Strange judgments"),
    "opposites": _("Opposite votes on one pair"),
    "within": _("Circles of one person"),
    "across": _("Circles across people"),
    "stars": _("Stars that say otherwise"),
}

# Habits of marked annotators, see analyze/maths/careless.py.
HABITS = {
    "careless": _("judges as if at random"),
    "left": _("chooses the left answer whatever it says"),
    "right": _("chooses the right answer whatever it says"),
    "longer": _("chooses the longer answer whatever it says"),
    "shorter": _("chooses the shorter answer whatever it says"),
    "ties": _("calls most of it a tie"),
    "drifts": _("judged with care at first, and as if at random later"),
}

APART_RATES = {
    "agreement": _("agreement"),
    "gold": _("known answers"),
    "self_consistency": _("saying the same again"),
    "left_share": _("choosing the left"),
    "longer_share": _("choosing the longer"),
    "tie_share": _("ties"),
}

LANGUAGES = {
    "zh": _("Chinese"),
    "ja": _("Japanese"),
    "ko": _("Korean"),
    "ru": _("Cyrillic letters"),
    "ar": _("Arabic letters"),
    "latin": _("Latin letters"),
    "other": _("other letters"),
}

# The English texts of `maths.agreement`, which knows no Django.
BANDS = {
    "trained labelers of InstructGPT with each other": _("trained labelers of InstructGPT with each other"),
    "held-out labelers of InstructGPT": _("held-out labelers of InstructGPT"),
    "researchers on summaries": _("researchers on summaries"),
    "the crowd of an arena with experts": _("the crowd of an arena with experts"),
    "experts with experts": _("experts with experts"),
    "reliable": _("reliable"),
    "for tentative conclusions": _("for tentative conclusions"),
    "helpfulness in HelpSteer2, all annotations to the kept ones (weighted kappa)": _(
        "helpfulness in HelpSteer2, all annotations to the kept ones (weighted kappa)"
    ),
}


# The order of names on a page and in a file: a database does not keep the order of a JSON object's names.
ORDER = (
    *("part", "annotator", "kind", "prompt", "source", "other", "response", "one", "name", "of"),
    *("judgment", "judgments", "chosen", "rejected", "tied", "strength", "low", "high", "said", "value", "interval"),
    *NAMES,
)
PLACES = {name: place for place, name in enumerate(dict.fromkeys(ORDER))}


def sort_items(mapping: Mapping[str, T]) -> list[tuple[str, T]]:
    """The items of a mapping in the order of ORDER, then all others by name."""
    return sorted(mapping.items(), key=lambda item: (PLACES.get(item[0], len(PLACES)), item[0]))


def format_name(name: str) -> str | Promise:
    """A name from a report in words; unchanged if it has no translation."""
    return NAMES.get(name, name)


def translate_text(text: str | None) -> str:
    """An English text from a report in the reader's language."""
    return gettext(text) if text else ""


def format_part(name: str) -> str | Promise:
    """The name of a part of the prompts, `tag:…` or `language:…`, in words."""
    kind, _colon, value = name.partition(":")
    return LANGUAGES.get(value, value) if kind == "language" else value


def format_habit(line: PersonLine) -> str:
    """How a marked annotator seems to judge, and since when if known."""
    if since := line.get("since"):
        moment = timezone.localtime(datetime.fromisoformat(since))
        return gettext("has judged as if at random since about %(moment)s") % {"moment": f"{moment:%Y-%m-%d %H:%M}"}
    return str(HABITS.get((line["reasons"] or [""])[0], HABITS["careless"]))


def explain_mark(line: PersonLine) -> str:
    """Why an annotator is marked: the habit, and the rates that differ from those of the others."""
    habit, apart = format_habit(line), line["reasons"][1:]
    if not apart:
        return habit
    names = gettext(", ").join(str(APART_RATES.get(name, name)) for name in apart)
    return gettext("%(habit)s; unlike the others in %(names)s") % {"habit": habit, "names": names}

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
    "percent": _("Raw agreement"),
    "alpha": _("Chance-corrected agreement (Krippendorff’s α)"),
    "alpha_strength": _("Chance-corrected agreement, ordinal (with strength)"),
    "agreement": _("Peer agreement"),
    "gold": _("Gold accuracy"),
    "self_consistency": _("Self-consistency"),
    "left_share": _("Left picked"),
    "longer_share": _("Longer picked"),
    "tie_share": _("Ties"),
    "longer_won": _("Longer answer"),
    "left_won": _("Left answer"),
    "lists_won": _("More lists"),
    "headings_won": _("More headings"),
    "code_won": _("More code"),
    "bold_won": _("More bold text"),
    "refusals_won": _("Refusal"),
    "accuracy": _("The model"),
    "baseline_longer": _("Rule: the longer one wins"),
    "baseline_source": _("Rule: the stronger model wins"),
    # controls and traits
    "length": _("Length"),
    "left": _("Left side"),
    "lists": _("Lists"),
    "headings": _("Headings"),
    "code": _("Code"),
    "bold": _("Bold text"),
    "refusals": _("Refusals"),
    # tables
    "highlights": _("Highlights"),
    "counts": _("Answers"),
    "sources": _("Models"),
    "strengths": _("Model ranking"),
    "controlled": _("Model ranking, adjusted for length and side"),
    "effects": _("Length and side"),
    "matrix": _("Win matrix"),
    "parts": _("By tag and language"),
    "people": _("Pairs of annotators"),
    "bands": _("Published values"),
    "alpha_bands": _("Published values, chance-corrected"),
    "annotators": _("Annotators"),
    "bias": _("Bias"),
    "balance": _("Length balancing"),
    "predictor": _("Predictability"),
    "calibration": _("Calibration"),
    "curve": _("Learning curve"),
    "suspicious": _("Outliers"),
    "opposites": _("Opposite votes on one pair"),
    "within": _("Cycles within one annotator"),
    "across": _("Cycles across annotators"),
    "stars": _("Ratings that contradict the choice"),
}

# Habits of marked annotators, see analyze/maths/careless.py.
HABITS = {
    "careless": _("close to random"),
    "left": _("picks the left answer regardless of content"),
    "right": _("picks the right answer regardless of content"),
    "longer": _("picks the longer answer regardless of content"),
    "shorter": _("picks the shorter answer regardless of content"),
    "ties": _("marks most pairs as ties"),
    "drifts": _("careful at first, close to random later"),
}

APART_RATES = {
    "agreement": _("peer agreement"),
    "gold": _("gold accuracy"),
    "self_consistency": _("self-consistency"),
    "left_share": _("picking the left"),
    "longer_share": _("picking the longer"),
    "tie_share": _("ties"),
}

LANGUAGES = {
    "zh": _("Chinese"),
    "ja": _("Japanese"),
    "ko": _("Korean"),
    "ru": _("Cyrillic script"),
    "ar": _("Arabic script"),
    "latin": _("Latin script"),
    "other": _("other scripts"),
}

# The English texts of `maths.agreement`, which knows no Django.
BANDS = {
    "trained labelers of InstructGPT with each other": _("InstructGPT trained labelers, with each other"),
    "held-out labelers of InstructGPT": _("InstructGPT held-out labelers"),
    "researchers on summaries": _("researchers, on summaries"),
    "the crowd of an arena with experts": _("arena crowd with experts"),
    "experts with experts": _("experts with experts"),
    "reliable": _("reliable"),
    "for tentative conclusions": _("tentative conclusions only"),
    "helpfulness in HelpSteer2, all annotations to the kept ones (weighted kappa)": _(
        "HelpSteer2 helpfulness, all annotations vs. kept ones (weighted kappa)"
    ),
}


# The order of names on a page and in a file: a database does not keep the order of a JSON object's names.
ORDER = (
    *("part", "annotator", "kind", "prompt", "label", "source", "other", "response", "one", "name", "of"),
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
    return str(BANDS[text]) if text in BANDS else gettext(text) if text else ""


def format_part(name: str) -> str | Promise:
    """The name of a part of the prompts, `tag:…` or `language:…`, in words."""
    kind, _colon, value = name.partition(":")
    return LANGUAGES.get(value, value) if kind == "language" else value


def format_habit(line: PersonLine) -> str:
    """How a marked annotator seems to judge, and since when if known."""
    if since := line.get("since"):
        moment = timezone.localtime(datetime.fromisoformat(since))
        return gettext("close to random since about %(moment)s") % {"moment": f"{moment:%Y-%m-%d %H:%M}"}
    return str(HABITS.get((line["reasons"] or [""])[0], HABITS["careless"]))


def explain_mark(line: PersonLine) -> str:
    """Why an annotator is marked: the habit, and the rates that differ from those of the others."""
    habit, apart = format_habit(line), line["reasons"][1:]
    if not apart:
        return habit
    names = gettext(", ").join(str(APART_RATES.get(name, name)) for name in apart)
    return gettext("%(habit)s; differs from others in %(names)s") % {"habit": habit, "names": names}

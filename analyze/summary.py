"""The first page of a report: sentences to read in ten seconds, from a report's plain numbers."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from analyze.shapes import AgreementNumbers, Line, Numbers
from analyze.tables import find_rates
from analyze.wording import translate_text

USUAL_BANDS = 3  # the first of the published ranges: those between annotators
FEWEST = 10  # pairs of answers judged twice; with fewer, nothing is concluded
HALF = 0.5
MOST_FORM_RATES = 3


def join_sentences(*sentences: str) -> str:
    """The sentences as one text, separated as the language requires."""
    text = ""
    for sentence in sentences:
        text = _("%(said)s %(more)s") % {"said": text, "more": sentence} if text else sentence
    return text


def format_per_hundred(value: float) -> str:
    """A share as a whole number out of a hundred."""
    return f"{100 * value:.0f}"


def find_usual_band(agreement: AgreementNumbers | None) -> tuple[float, float] | None:
    """(low, high): the usual agreement on choices between two answers, from the published ranges."""
    bands = agreement.get("bands", [])[:USUAL_BANDS] if agreement else []
    return (min(band["low"] for band in bands), max(band["high"] for band in bands)) if bands else None


def format_agreement(agreement: AgreementNumbers) -> str:
    """How agreement compares with the usual range."""
    band = find_usual_band(agreement)
    if agreement["percent"] is None or band is None:
        return translate_text(agreement.get("percent_reason"))
    low, high = agreement["percent_interval"]
    values = {"low": format_per_hundred(band[0]), "high": format_per_hundred(band[1])}
    if agreement["judged_twice"] < FEWEST:
        return _("Too few judgments to compare with the typical range (%(low)s to %(high)s %%).") % values
    if high < band[0]:
        return _("Below the typical range (%(low)s to %(high)s %%).") % values
    if low > band[1]:
        return _("Above the typical range (%(low)s to %(high)s %%).") % values
    if low <= band[0] and high >= band[1]:
        return _("Too few judgments to compare with the typical range (%(low)s to %(high)s %%).") % values
    return _("Within the typical range (%(low)s to %(high)s %%).") % values


def format_sources(numbers: Numbers) -> str:
    """The leading source, and whether its lead is significant."""
    lines = numbers["strengths"]
    if not lines:
        return translate_text(numbers.get("strengths_reason"))
    if not numbers["is_whole"]:
        return _("Not all models were compared with each other: ranks hold within a group only.")
    first = [line for line in lines if line["group"] == lines[0]["group"]]
    if len(first) == 1:
        return _("%(source)s leads; the difference from all others is significant.") % {
            "source": lines[0]["source"] or "–"
        }
    if len(first) == len(lines):
        return _("No model differs significantly from the others yet.")
    values = {"n": len(first)}
    return (
        ngettext(
            "The top model does not differ significantly.",
            "The top %(n)s models do not differ significantly.",
            len(first),
        )
        % values
    )


def compute_leaning(rate: Mapping[str, Any] | None) -> int:
    """1 if a rate's interval is above one half, -1 if below, 0 if it includes one half or is unknown."""
    if rate is None or not rate["n"]:
        return 0
    low, high = rate["interval"]
    return 1 if low > HALF else -1 if high < HALF else 0


def format_bias(bias: Numbers) -> list[str]:
    """The biases that a model would learn from the choices, as sentences."""
    longer, left = compute_leaning(bias["longer_won"]), compute_leaning(bias["left_won"])
    if not bias["longer_won"]["n"]:
        return [_("No preferences between answers of different length yet.")]
    share = {
        "n": format_per_hundred(bias["longer_won"]["value"]),
        "rest": format_per_hundred(1 - bias["longer_won"]["value"]),
    }
    sentences = [
        {
            1: _("Longer answers win %(n)s %%: a model would learn to write more."),
            -1: _("Shorter answers win %(rest)s %%: a model would learn to write less."),
            0: _("Length makes no significant difference."),
        }[longer]
        % share
    ]
    if left:
        value = bias["left_won"]["value"] if left > 0 else 1 - bias["left_won"]["value"]
        side = _("The left answer wins %(n)s %%.") if left > 0 else _("The right answer wins %(n)s %%.")
        sentences.append(
            join_sentences(
                side % {"n": format_per_hundred(value)}, _("Sides are drawn at random, so a model cannot learn this.")
            )
        )
    return sentences


def format_predictor(predictor: Numbers) -> str:
    """The accuracy of the predictor, compared with the baselines."""
    if predictor["accuracy"] is None:
        return translate_text(predictor.get("accuracy_reason"))
    rules = {name: predictor[name] for name in ("baseline_longer", "baseline_source") if predictor[name] is not None}
    best = max(rules.values(), default=HALF)
    low, high = predictor["accuracy_interval"]
    share = {"n": format_per_hundred(predictor["accuracy"]), "best": format_per_hundred(best)}
    if low > best:
        return _("A model predicts %(n)s %% of preferences; the best simple rule predicts %(best)s %%.") % share
    if high < best:
        return _("A model predicts %(n)s %% of preferences, fewer than the best simple rule (%(best)s %%).") % share
    return _("A model predicts %(n)s %% of preferences, no more than the best simple rule (%(best)s %%).") % share


def pick_form_rates(bias: Numbers) -> list[Line]:
    """The rates of length and side, and at most MOST_FORM_RATES others that lean to one side."""
    rates = [rate for rate in find_rates(bias) if rate["n"]]
    first = [rate for rate in rates if rate["name"] in ("longer_won", "left_won")]
    rest = [rate for rate in rates if rate not in first and compute_leaning(rate)]
    return first + sorted(rest, key=lambda rate: -rate["n"])[:MOST_FORM_RATES]

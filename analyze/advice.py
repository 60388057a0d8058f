"""Advice to annotators about how they judge: a report's numbers, in words that help.

Advice discloses no verdict of others, nor whether a single judgment was a gold question or a repeat. These rates are
rounded, so that one more judgment does not show in them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from django.utils.translation import gettext as _

from analyze.shapes import KnownRate, PersonLine, RateName
from analyze.summary import compute_leaning, format_per_hundred, join_sentences
from datasets.judgments.listing import ACCOUNT

FEWEST = 10  # judgments behind a rate
FEWEST_OTHERS = 3  # people behind an average: that of fewer would disclose a single person's rate
TWENTIETH = 20
LEANS = (0.35, 0.65)  # shares of the left side outside this range call for advice


@dataclass(frozen=True)
class Advice:
    """One number: heading, value in words, and what may help ("" if nothing needs to change)."""

    heading: str
    words: str
    help: str = ""


def build_advice(lines: Sequence[PersonLine], name: str, usual: tuple[float, float] | None) -> list[Advice]:
    """The Advice for an account.

    lines: the part `annotators` of a report.
    name: of the account.
    usual: (low, high) of agreement.
    """
    own = next((line for line in lines if line["kind"] == ACCOUNT and line["annotator"] == name), None)
    if own is None:
        return []
    others = [line for line in lines if line is not own]
    candidates = (
        advise_on_agreement(own, others, usual),
        advise_on_gold(own),
        advise_on_consistency(own),
        advise_on_sides(own),
        advise_on_length(own, others),
        advise_on_pace(own, others),
    )
    return [candidate for candidate in candidates if candidate]


def find_rate(line: PersonLine, name: RateName) -> KnownRate | None:
    """A person's rate; None with too few judgments."""
    rate = line[name]
    return cast(KnownRate, rate) if rate["n"] >= FEWEST and rate["value"] is not None else None


def compute_average(others: Iterable[PersonLine], name: RateName) -> float | None:
    """The average rate of the others; None with too few people."""
    rates = [rate for line in others if (rate := find_rate(line, name))]
    if len(rates) < FEWEST_OTHERS:
        return None
    return sum(rate["value"] * rate["n"] for rate in rates) / sum(rate["n"] for rate in rates)


def format_to_nearest_five(value: float) -> str:
    """A share as a number out of a hundred, rounded to a multiple of five."""
    return f"{round(value * TWENTIETH) * 100 // TWENTIETH}"


def advise_on_agreement(
    own: PersonLine, others: Iterable[PersonLine], usual: tuple[float, float] | None
) -> Advice | None:
    rate, theirs = find_rate(own, "agreement"), compute_average(others, "agreement")
    if not rate:
        return None
    words = [_("Your agreement with others is %(n)s %%.") % {"n": format_per_hundred(rate["value"])}]
    if usual:
        words.append(
            _("Typical: %(low)s to %(high)s.")
            % {"low": format_per_hundred(usual[0]), "high": format_per_hundred(usual[1])}
        )
    if theirs is not None:
        words.append(_("Others: %(n)s.") % {"n": format_per_hundred(theirs)})
    is_low = rate["interval"][1] < min([end for end in (theirs, usual and usual[0]) if end is not None], default=0)
    help_words = _("Try rereading the annotation guidelines, and look for what distinguishes the two answers.")
    return Advice(_("Agreement"), join_sentences(*words), help_words if is_low else "")


def advise_on_gold(own: PersonLine) -> Advice | None:
    rate = find_rate(own, "gold")
    if not rate:
        return None
    words = _("You were correct on about %(n)s %% of gold questions.") % {"n": format_to_nearest_five(rate["value"])}
    return Advice(_("Gold questions"), words)


def advise_on_consistency(own: PersonLine) -> Advice | None:
    rate = find_rate(own, "self_consistency")
    if not rate:
        return None
    words = _("When the same pair came up again, you gave the same verdict about %(n)s %% of the time.")
    return Advice(_("Self-consistency"), words % {"n": format_to_nearest_five(rate["value"])})


def advise_on_sides(own: PersonLine) -> Advice | None:
    rate = find_rate(own, "left_share")
    if not rate:
        return None
    words = _("You picked the left answer %(n)s %% of the time. About half is typical: sides are drawn at random.")
    is_far = compute_leaning(rate) and not LEANS[0] <= rate["value"] <= LEANS[1]
    help_words = _("Read both answers in full before you decide, and sometimes start with the right one.")
    return Advice(_("Sides"), words % {"n": format_per_hundred(rate["value"])}, help_words if is_far else "")


def advise_on_length(own: PersonLine, others: Iterable[PersonLine]) -> Advice | None:
    rate, theirs = find_rate(own, "longer_share"), compute_average(others, "longer_share")
    if not rate:
        return None
    words = _("You picked the longer answer %(n)s %% of the time.") % {"n": format_per_hundred(rate["value"])}
    if theirs is None:
        return Advice(_("Length"), words)
    low, high = rate["interval"]
    is_apart = not low <= theirs <= high
    words = join_sentences(words, _("Others: %(n)s.") % {"n": format_per_hundred(theirs)})
    help_words = _("Length alone does not make an answer better or worse: judge the content.")
    return Advice(_("Length"), words, help_words if is_apart else "")


def advise_on_pace(own: PersonLine, others: Iterable[PersonLine]) -> Advice | None:
    rate, theirs = find_rate(own, "seconds_per_100_words"), compute_average(others, "seconds_per_100_words")
    if not rate:
        return None
    words = _("You take about %(n)s seconds per 100 words.") % {"n": f"{rate['value']:.0f}"}
    if theirs is not None:
        words = join_sentences(words, _("Others: %(n)s.") % {"n": f"{theirs:.0f}"})
    return Advice(_("Pace"), words)

"""What people are told of how they judge: the numbers of the report, in words that help. Nobody is told what somebody
else said, nor whether a single judgment had a known answer or came twice: such rates are rounded, so that one judgment
more does not show in them."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from analyze.summary import in_hundred, joined, leaning
from datasets.judgments.listing import ACCOUNT

FEWEST = 10  # judgments; of fewer nothing is said
FEWEST_OTHERS = 3  # people: an average of fewer would tell what one of them does
TWENTIETH = 20
LEANS = (0.35, 0.65)  # a share of sides beyond these is worth a word


@dataclass(frozen=True)
class Advice:
    """One number: its heading, what it is, and what may help, "" where nothing has to."""

    heading: str
    words: str
    help: str = ""


def advice(lines, name, usual):
    """[Advice] for the account of this name, from a report's lines of people; usual: (low, high) of agreement."""
    own = next((line for line in lines if line["kind"] == ACCOUNT and line["annotator"] == name), None)
    if own is None:
        return []
    others = [line for line in lines if line is not own]
    found = (
        of_agreement(own, others, usual),
        of_gold(own),
        of_consistency(own),
        of_sides(own),
        of_length(own, others),
        of_pace(own, others),
    )
    return [one for one in found if one]


def enough(line, name):
    """The rate of this name; None where too few judgments are behind it."""
    rate = line[name]
    return rate if rate["n"] >= FEWEST and rate["value"] is not None else None


def average(others, name):
    """The average of the others; None where they are too few."""
    rates = [rate for line in others if (rate := enough(line, name))]
    if len(rates) < FEWEST_OTHERS:
        return None
    return sum(rate["value"] * rate["n"] for rate in rates) / sum(rate["n"] for rate in rates)


def rounded(value):
    """A share as so many of a hundred, in steps of five."""
    return f"{round(value * TWENTIETH) * 100 // TWENTIETH}"


def of_agreement(own, others, usual):
    rate, theirs = enough(own, "agreement"), average(others, "agreement")
    if not rate:
        return None
    words = [_("You agree with the others on %(n)s of 100.") % {"n": in_hundred(rate["value"])}]
    if usual:
        words.append(_("Usual is %(low)s to %(high)s.") % {"low": in_hundred(usual[0]), "high": in_hundred(usual[1])})
    if theirs is not None:
        words.append(_("The others: %(n)s.") % {"n": in_hundred(theirs)})
    is_low = rate["interval"][1] < min([end for end in (theirs, usual and usual[0]) if end is not None], default=0)
    help_words = _("It may help to read the guideline again, and to look at what makes the two answers differ.")
    return Advice(_("Agreement"), joined(*words), help_words if is_low else "")


def of_gold(own):
    rate = enough(own, "gold")
    if not rate:
        return None
    words = _("Where the answer is known you were right on about %(n)s of 100.") % {"n": rounded(rate["value"])}
    return Advice(_("Known answers"), words)


def of_consistency(own):
    rate = enough(own, "self_consistency")
    if not rate:
        return None
    words = _("When the same two answers came again you said the same on about %(n)s of 100.")
    return Advice(_("Saying the same again"), words % {"n": rounded(rate["value"])})


def of_sides(own):
    rate = enough(own, "left_share")
    if not rate:
        return None
    words = _("You chose the left answer on %(n)s of 100. About half is usual: sides are drawn anew each time.")
    is_far = leaning(rate) and not LEANS[0] <= rate["value"] <= LEANS[1]
    help_words = _("Read both answers to the end before you decide, and begin with the other side now and then.")
    return Advice(_("Sides"), words % {"n": in_hundred(rate["value"])}, help_words if is_far else "")


def of_length(own, others):
    rate, theirs = enough(own, "longer_share"), average(others, "longer_share")
    if not rate:
        return None
    words = _("You chose the longer answer on %(n)s of 100.") % {"n": in_hundred(rate["value"])}
    if theirs is None:
        return Advice(_("Length"), words)
    low, high = rate["interval"]
    is_apart = not low <= theirs <= high
    words = joined(words, _("The others: %(n)s.") % {"n": in_hundred(theirs)})
    help_words = _("Length alone makes no answer better or worse: weigh what it says.")
    return Advice(_("Length"), words, help_words if is_apart else "")


def of_pace(own, others):
    rate, theirs = enough(own, "seconds_per_100_words"), average(others, "seconds_per_100_words")
    if not rate:
        return None
    words = _("You take about %(n)s seconds for 100 words.") % {"n": f"{rate['value']:.0f}"}
    if theirs is not None:
        words = joined(words, _("The others: %(n)s.") % {"n": f"{theirs:.0f}"})
    return Advice(_("Pace"), words)

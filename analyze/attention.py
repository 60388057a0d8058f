"""What a lead should look at next in a dataset: people who judge oddly, and what waits for a decision."""

from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.humanize.templatetags.humanize import intcomma
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from analyze.counted import Counted, count_numbers
from analyze.inbox import LABELS, Inbox
from analyze.shapes import Numbers, PersonLine
from analyze.wording import explain_mark
from annotate.wording import Label
from datasets.judgments.listing import ACCOUNT, Person
from datasets.judgments.statistics import PersonNumbers, is_often_too_fast
from datasets.models import Dataset

MOST_PEOPLE = 5


class PersonNotice(NamedTuple):
    """A person who judges oddly. person.pk is None for a name of a file, who cannot be paused."""

    person: Person
    reason: str
    url: str


class Notice(NamedTuple):
    """Something that waits. act: the words of its link."""

    words: str
    act: Label
    url: str


def list_people(dataset: Dataset, numbers: Numbers, counted: Counted) -> list[PersonNotice]:
    """The people who need attention: those whom the report marks, and those who are often too fast.

    numbers: of the report, with `annotators`.
    """
    lines: list[PersonLine] = numbers.get("annotators") or []
    marked = {(line["kind"], line["annotator"]): line for line in lines if line["is_marked"]}
    accounts = [line["annotator"] for line in lines if line["kind"] == ACCOUNT]
    ids = dict(get_user_model().objects.filter(username__in=accounts).values_list("username", "pk"))
    people = [Person(line["kind"], line["annotator"], ids.get(line["annotator"])) for line in lines]
    people = [person for person in people if person.pk or person.kind != ACCOUNT]  # deleted since
    notices = []
    for each in count_numbers(counted, people):
        line = marked.get((each.person.kind, each.person.name))
        reasons = [explain_mark(line)] if line else []
        if is_often_too_fast(each):
            reasons.append(format_too_fast(each))
        if reasons:
            notices.append(PersonNotice(each.person, "; ".join(reasons), build_record_url(dataset, each.person)))
    return notices[:MOST_PEOPLE]


def format_too_fast(numbers: PersonNumbers) -> str:
    """The share of a person's judgments that are too fast, in words."""
    assert numbers.fast is not None
    return _("%(percent)s %% of judgments too fast") % {"percent": round(numbers.fast.percent or 0)}


def build_record_url(dataset: Dataset, person: Person) -> str:
    return f"{reverse('record', args=[dataset.slug])}?{urlencode({'person': person.token})}"


def list_waiting(dataset: Dataset) -> list[Notice]:
    """What is in the inbox, by kind, most urgent first; empty if nothing is."""
    counts, page = Inbox(dataset).count(), reverse("flags", args=[dataset.slug])
    return [
        Notice(_("%(kind)s: %(n)s") % {"kind": label, "n": intcomma(counts[kind])}, _("Review"), f"{page}?kind={kind}")
        for kind, label in LABELS.items()
        if counts[kind]
    ]


def compute_gold_accuracy(numbers: Numbers) -> tuple[int, int]:
    """(right, all) judgments on gold questions. numbers: of the report, with `annotators`."""
    rates = [line["gold"] for line in numbers.get("annotators") or [] if line["gold"]["value"] is not None]
    return round(sum((rate["value"] or 0) * rate["n"] for rate in rates)), sum(rate["n"] for rate in rates)

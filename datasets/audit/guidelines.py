"""Versions of a dataset's guideline: its text and the guidelines of its criteria.

The first version that is not empty has number 1. Each judgment stores the number that it was made under; 0 means before
the first version.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from django.db.models import Count

from datasets.models import Dataset, Guideline, Judgment
from datasets.text.diff import mark_differences
from datasets.text.rendered import render

if TYPE_CHECKING:
    from datetime import datetime

    from annotate.models import User


def normalize_guideline(text: str, criteria: Iterable[Mapping[str, str]]) -> tuple[str, list[dict[str, str]]]:
    """The part that versions are compared by: the text with LF line ends, and the criteria that have a guideline."""
    written_criteria = [
        {"name": criterion["name"], "guideline": criterion["guideline"]}
        for criterion in criteria
        if criterion.get("guideline")
    ]
    return text.replace("\r\n", "\n"), written_criteria


def save_version(dataset: Dataset, by: "User | None" = None) -> tuple[int | None, int] | None:
    """Stores the guideline as a new version, if it differs from the newest one.

    Needs a transaction in which the caller has locked the dataset. Returns (the number before, None for the first
    version; the new number), or None where nothing changed.
    """
    newest = dataset.guidelines.first()
    text, criteria = normalize_guideline(dataset.guideline, dataset.criteria)
    if (text, criteria) == (normalize_guideline(newest.text, newest.criteria) if newest else ("", [])):
        return None
    number = newest.number + 1 if newest else 1
    Guideline.objects.create(dataset=dataset, number=number, text=text, criteria=criteria, made_by=by)
    Dataset.objects.filter(pk=dataset.pk).update(guideline_number=number)
    dataset.guideline_number = number
    return newest.number if newest else None, number


def render_version(version: Guideline) -> str:
    """HTML of a version: its text, then the guidelines of the criteria."""
    parts = [version.text, *(f"### {criterion['name']}\n\n{criterion['guideline']}" for criterion in version.criteria)]
    return render("\n\n".join(part for part in parts if part))


def render_differences(old: Guideline, new: Guideline) -> list[str]:
    """HTML of two versions, each with the passages marked that the other one lacks."""
    return mark_differences([render_version(old), render_version(new)])


def count_votes_by_version(dataset: Dataset) -> dict[int, int]:
    """{version number: number of standing votes made under it}, without imported ones."""
    votes = Judgment.objects.votes().filter(dataset=dataset, annotator__isnull=False).order_by()
    return dict(votes.values_list("guideline").annotate(n=Count("pk")))


def find_unseen_change(dataset: Dataset, user: "User") -> "datetime | None":
    """When the guideline last changed, if that is later than the user's last verdict here; else None."""
    if not dataset.guideline_number:
        return None
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, state=Judgment.State.SAVED)
    last = mine.order_by("-decided_at").values_list("decided_at", flat=True).first()
    changed_at = dataset.guidelines.filter(number=dataset.guideline_number).values_list("made_at", flat=True).first()
    return changed_at if last and changed_at and changed_at > last else None

"""Lookups of who is paused in a dataset; annotate/pauses.py pauses people."""

from django.db.models import Exists, OuterRef

from datasets.models import Dataset


def list_paused_ids(dataset: Dataset) -> set[int]:
    """Ids of the users who are paused in a dataset."""
    return set(dataset.memberships.filter(paused_at__isnull=False).values_list("user", flat=True))


def build_paused_condition() -> Exists:
    """Condition on judgments: the annotator is paused in the dataset."""
    membership = {"memberships__user": OuterRef("annotator"), "memberships__paused_at__isnull": False}
    return Exists(Dataset.objects.filter(pk=OuterRef("dataset"), **membership))

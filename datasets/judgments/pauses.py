"""Who is paused in a dataset. Admins do that, see annotate/pauses.py; here it is looked at."""

from django.db.models import Exists, OuterRef

from datasets.models import Dataset


def list_paused_ids(dataset):
    """The ids of the people who are paused."""
    return set(dataset.memberships.filter(paused_at__isnull=False).values_list("user", flat=True))


def build_paused_condition():
    """Of a judgment: whether it is by somebody who is paused in its dataset."""
    membership = {"memberships__user": OuterRef("annotator"), "memberships__paused_at__isnull": False}
    return Exists(Dataset.objects.filter(pk=OuterRef("dataset"), **membership))

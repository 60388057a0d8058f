"""Deletion of a dataset with everything in it, in batches: memory stays flat, and people can judge meanwhile."""

from typing import TYPE_CHECKING

from django.db import transaction

from datasets.audit.log import Kind, log
from datasets.models import Comparison, Dataset, Import, Judgment, Prompt, Response

if TYPE_CHECKING:
    from annotate.models import User

AT_ONCE = 200  # prompts


def delete_dataset(dataset: Dataset, by: "User | None" = None) -> None:
    """Deletes a dataset. Archives it first, so that nobody is handed any of its comparisons meanwhile."""
    Dataset.objects.filter(pk=dataset.pk).update(state=Dataset.State.ARCHIVED)
    while ids := list(Prompt.objects.filter(dataset=dataset).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        with transaction.atomic():
            Judgment.objects.filter(comparison__prompt__in=ids).delete()
            Comparison.objects.filter(prompt__in=ids).delete()
            Response.objects.filter(prompt__in=ids).delete()
            Prompt.objects.filter(pk__in=ids).delete()
    Import.objects.filter(dataset=dataset).delete()
    with transaction.atomic():
        dataset.delete()
        log(Kind.DATASET, dataset.slug, after="deleted", by=by, slug=dataset.slug)

"""Deleting a dataset with all that is in it, a few prompts at a time: memory stays flat, others go on judging."""

from django.db import transaction

from datasets.audit.log import Kind, log
from datasets.models import Comparison, Dataset, Import, Judgment, Prompt, Response

AT_ONCE = 200


def delete_dataset(dataset, by=None):
    """Delete the dataset. It is put away first, so that nobody is given anything of it in the meantime."""
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

"""The state of a dataset, and the steps of setting up a draft that an admin has done."""

from typing import TYPE_CHECKING

from django.db import transaction

from datasets.audit.log import Kind, log
from datasets.models import Dataset

if TYPE_CHECKING:
    from annotate.models import User


@transaction.atomic
def set_state(dataset: Dataset, state: Dataset.State, by: "User | None" = None) -> bool:
    """Changes the state of a dataset. Returns whether it was another one.

    by: the user in the audit log; None for a command.
    """
    before = Dataset.objects.select_for_update().values_list("state", flat=True).get(pk=dataset.pk)
    dataset.state = state
    if before == state:
        return False
    Dataset.objects.filter(pk=dataset.pk).update(state=state)
    log(Kind.SETTING, "state", before, state, by=by, dataset=dataset)
    return True


@transaction.atomic
def mark_done(dataset: Dataset, step: str) -> None:
    """Notes that an admin has done a step of setting up a draft; see annotate/checklist.py."""
    done = Dataset.objects.select_for_update().values_list("setup_done", flat=True).get(pk=dataset.pk)
    if step not in done:
        Dataset.objects.filter(pk=dataset.pk).update(setup_done=[*done, step])

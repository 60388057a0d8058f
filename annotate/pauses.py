"""Pauses: a person gets no more comparisons of a dataset until an admin resumes them. Their judgments are kept, and an
export can leave them out. Both acts are idempotent.
"""

from django.db import transaction
from django.utils import timezone

from annotate.models import Membership, User
from annotate.people import release_leases
from annotate.queue.lease import lock_membership
from datasets.audit.log import Kind, log
from datasets.db.write_lock import write_turn
from datasets.models import Dataset


def pause(person: User, dataset: Dataset, by: User | None = None) -> bool:
    """Pauses a person and returns their leases to the queue immediately. Returns whether they were active before.

    Every lease to them locks their membership first, so none follows this call. A verdict already on its way is kept;
    its comparison may then exceed its overlap by one.

    by: the admin, for the audit log; None for a command.
    """
    with write_turn(), transaction.atomic():
        membership = lock_membership(person.pk, dataset.pk)
        if membership.paused_at is None:
            Membership.objects.filter(pk=membership.pk).update(paused_at=timezone.now())
            log(Kind.MEMBER, person.username, None, "paused", by=by, dataset=dataset)
    release_leases(person, dataset=dataset)
    return membership.paused_at is None


def resume(person: User, dataset: Dataset, by: User | None = None) -> bool:
    """Ends a pause. Returns whether they were paused before. by: see `pause`."""
    with write_turn(), transaction.atomic():
        membership = lock_membership(person.pk, dataset.pk)
        if membership.paused_at is not None:
            Membership.objects.filter(pk=membership.pk).update(paused_at=None)
            log(Kind.MEMBER, person.username, "paused", None, by=by, dataset=dataset)
    return membership.paused_at is not None


def is_paused(user: User, dataset: Dataset) -> bool:
    """Whether the person is paused in the dataset."""
    return Membership.objects.filter(user=user, dataset=dataset, paused_at__isnull=False).exists()

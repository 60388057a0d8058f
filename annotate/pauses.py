"""Pauses: a person gets nothing more of one dataset until an admin lets them go on. What they judged is kept, and an
export can leave it out. Each act is safe to repeat."""

from django.db import transaction
from django.utils import timezone

from annotate.models import Membership
from annotate.people import release_leases
from annotate.queue.lease import lock_membership
from datasets.audit.log import Kind, log
from datasets.db.write_lock import write_turn


def pause(person, dataset, by=None):
    """What they have in hand here goes to others at once. Whether they were at work until now.

    Whoever gives them something locks their membership first: after this, nobody does. A verdict that is on its way is
    kept: its comparison may have one too many then.
    """
    with write_turn(), transaction.atomic():
        membership = lock_membership(person.pk, dataset.pk)
        if membership.paused_at is None:
            Membership.objects.filter(pk=membership.pk).update(paused_at=timezone.now())
            log(Kind.MEMBER, person.username, None, "paused", by=by, dataset=dataset)
    release_leases(person, dataset=dataset)
    return membership.paused_at is None


def resume(person, dataset, by=None):
    """Let them go on. Whether they were paused until now."""
    with write_turn(), transaction.atomic():
        membership = lock_membership(person.pk, dataset.pk)
        if membership.paused_at is not None:
            Membership.objects.filter(pk=membership.pk).update(paused_at=None)
            log(Kind.MEMBER, person.username, "paused", None, by=by, dataset=dataset)
    return membership.paused_at is not None


def is_paused(user, dataset):
    return Membership.objects.filter(user=user, dataset=dataset, paused_at__isnull=False).exists()

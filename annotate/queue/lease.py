"""Who gets what next. Exact under any number of people at once: a comparison is in as many hands as it wants judgments.

Short transactions: first leases that ran out are given back, then the person's membership row is locked (two tabs
of one person wait for each other), and the next open comparison is taken. PostgreSQL passes over rows that somebody
else is taking; SQLite takes the write lock at the start of the transaction. Nobody ever waits for a comparison while
holding another: that is what keeps it free of deadlocks. The act of every few seconds, saving a verdict and leasing the
next comparison, has a fast path of its own in fast_path.py.
"""

import random
import time
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from annotate.models import Membership
from annotate.queue import quality_checks
from annotate.queue.fast_path import LOCK, NEXT_ID, SKIP_COOLDOWN, SKIPS_LOCKED, adapt_time
from datasets.db.write_lock import write_turn
from datasets.models import Comparison, Judgment

EXPIRED_AT_ONCE = 20
CHECK_INTERVAL_S = 1.0  # seconds, in one process: leases run out in minutes
SLOW_SEARCH_S = 0.05  # seconds that a search takes
BACKOFF_FACTOR = 20  # a dear search that found nothing is not repeated for so many times as long as it took
TRIES = 8
_checked_at = {}  # {dataset id: time.monotonic()}


def lease_next(user, dataset, have=None):
    """The judgment in this person's hands: what they reopened, what they hold, else the next open comparison.

    have: ids of judgments that their browser has already; then the next one besides these, as long as they hold no
    more than the dataset lets them keep ready. None when there is nothing to give them now, or the dataset is not open.
    """
    if dataset.state != dataset.State.OPEN:
        return None
    returned = expire_leases(dataset)
    for attempt in range(TRIES):
        with write_turn(), transaction.atomic():
            membership = lock_membership(user.pk, dataset.pk)
            if is_excluded(user, dataset, membership):
                return None
            judgment = find_leased_judgment(user, dataset, have or ())
            if judgment or (have and count_leased(user, dataset) > dataset.kept_ready):
                return judgment
            started = time.monotonic()
            judgment = take_next(membership, returned, dataset)
            if judgment or is_backing_off(membership):
                return judgment
            if not (SKIPS_LOCKED and find_first_after(membership, from_start=True, lock="")):
                back_off(membership, time.monotonic() - started)
                return None
        # To wait for others' locks here, in whatever order we come to them, could end in a deadlock: look again.
        time.sleep(0.01 * (attempt + 1))
    return None


def is_excluded(user, dataset, membership):
    """Whether a person gets nothing here: an admin has paused them, or the practice round is before them."""
    return membership.paused_at is not None or needs_practice(user, dataset, membership)


def needs_practice(user, dataset, membership):
    """Whether the practice round is before this person. Without a known answer to practise with there is none."""
    if not dataset.practice or user.is_admin or membership.practised_at:
        return False
    return dataset.gold.filter(for_practice=True).exists()


def is_practice_due(user, dataset):
    """Whether this person is to take the practice round of an open dataset now."""
    if not dataset.practice or dataset.state != dataset.State.OPEN:
        return False
    membership = Membership.objects.filter(user=user, dataset=dataset).first()
    return membership is not None and membership.paused_at is None and needs_practice(user, dataset, membership)


def lease_another(user, dataset):
    """One more judgment for this person, besides all that they have before them; None where there is none. What they
    hold is theirs for the whole time again once half of it is over."""
    before_them = [Judgment.State.LEASED, Judgment.State.REOPENED]
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, state__in=before_them)
    mine = mine.filter(purpose__in=Judgment.WORK)
    have, half = [], timezone.now() + timedelta(minutes=dataset.lease_minutes) / 2
    for judgment in mine.only("state", "lease_until"):
        have.append(judgment.pk)
        if judgment.state == Judgment.State.LEASED and judgment.lease_until < half:
            mine.filter(pk=judgment.pk, state=Judgment.State.LEASED).update(lease_until=compute_lease_end(dataset))
    return lease_next(user, dataset, have)


def lock_membership(user, dataset):
    """The person's row in this dataset (ids), made at their first visit: all their acts in it wait for each other."""
    locked = Membership.objects.select_for_update().filter(user=user, dataset=dataset)
    membership = locked.first()
    if membership is None:
        Membership.objects.bulk_create([Membership(user_id=user, dataset_id=dataset)], ignore_conflicts=True)
        membership = locked.get()
    return membership


def find_leased_judgment(user, dataset, have=()):
    """What this person has before them, besides these: the oldest reopened judgment, else what they brought back after
    a skip, else what they hold the longest.

    Their own lease that ran out, and that nobody was given in the meantime, is theirs again.
    """
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, purpose__in=Judgment.WORK).exclude(pk__in=have)
    reopened = mine.filter(state=Judgment.State.REOPENED).order_by("decided_at", "pk").first()
    if reopened:
        return reopened
    judgment = mine.filter(state=Judgment.State.LEASED).order_by("-revision", "leased_at", "pk").first()
    if judgment is None:
        return None
    judgment.lease_until = compute_lease_end(dataset)
    return (
        judgment if mine.filter(pk=judgment.pk, state=judgment.state).update(lease_until=judgment.lease_until) else None
    )


def count_leased(user, dataset):
    """How many comparisons this person holds."""
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, purpose__in=Judgment.WORK)
    return mine.filter(state=Judgment.State.LEASED).count()


def compute_lease_end(dataset):
    return timezone.now() + timedelta(minutes=dataset.lease_minutes)


def expire_leases(dataset):
    """Give back leases that ran out, a few at a time, each in a transaction of its own; their comparisons' ids."""
    overdue = list_overdue_leases(dataset)
    returned = []
    for pk in overdue.order_by("lease_until").values_list("pk", flat=True)[:EXPIRED_AT_ONCE]:
        with write_turn(), transaction.atomic():
            judgment = overdue.select_for_update(skip_locked=SKIPS_LOCKED).filter(pk=pk).first()
            if judgment and change_state(judgment, Judgment.State.EXPIRED):
                change_slots(judgment, +1)
                returned.append(judgment.comparison_id)
    return returned


def has_overdue_leases(dataset):
    """Whether leases have run out, as far as this process has looked within the last second: the slow path gives
    them back."""
    now = time.monotonic()
    if now - _checked_at.get(dataset.pk, -CHECK_INTERVAL_S) < CHECK_INTERVAL_S:
        return False
    _checked_at[dataset.pk] = now
    return list_overdue_leases(dataset).exists()


def list_overdue_leases(dataset):
    return Judgment.objects.filter(dataset=dataset, state=Judgment.State.LEASED, lease_until__lt=timezone.now())


def release(user, dataset, leases):
    """Give back what a browser kept ready and never showed. leases: {judgment id: until when, as it was handed out};
    one that was handed out again since is somebody's, and stays."""
    for pk, until in leases.items():
        with write_turn(), transaction.atomic():
            lock_membership(user.pk, dataset.pk)
            mine = Judgment.objects.filter(annotator=user, dataset=dataset, state=Judgment.State.LEASED)
            judgment = mine.filter(pk=pk, lease_until=until).first()
            if judgment and change_state(judgment, Judgment.State.EXPIRED):
                change_slots(judgment, +1)


def change_state(judgment, state, **changes):
    """Move a judgment to another state, if it still is in the one that we saw, at the revision that we saw."""
    if state not in Judgment.MOVES[Judgment.State(judgment.state)]:
        raise ValueError(f"no move from {judgment.state} to {state}")
    moved = Judgment.objects.filter(pk=judgment.pk, state=judgment.state, revision=judgment.revision)
    return moved.update(state=state, **changes)


def change_slots(judgment, by):
    """Of the comparison of a vote. Nothing else takes a slot; the statement is written all the same."""
    by = by if judgment.purpose == Judgment.Purpose.VOTE else 0
    Comparison.objects.filter(pk=judgment.comparison_id).update(open_slots=F("open_slots") + by)


def is_backing_off(membership):
    """Whether a dear search that found nothing was so short a time ago that there is no other yet."""
    return membership.nothing_until is not None and membership.nothing_until > timezone.now()


def back_off(membership, search_s):
    """Search no more for a while, after a search that took so many seconds and found nothing, if that was dear."""
    if search_s > SLOW_SEARCH_S:
        nothing_until = timezone.now() + BACKOFF_FACTOR * timedelta(seconds=search_s)
        Membership.objects.filter(pk=membership.pk).update(nothing_until=nothing_until)


def take_next(membership, returned, dataset):
    """Lease the next open comparison to this person: what just came back, then, unless they are to rest from searching,
    from where they stand, then once from the start for what came back behind them. Now and then, in place of one that
    stays where it is, something that is known already: see quality_checks.py."""
    comparison_id = find_first_returned(membership, returned)
    if comparison_id is None and not is_backing_off(membership):
        comparison_id = find_first_after(membership) or find_first_after(membership, from_start=True)
    if comparison_id is None:
        return None
    known = quality_checks.draw_known(membership.user_id, dataset) if dataset.mixes else None
    comparison = Comparison.objects.select_related("dataset").get(pk=comparison_id)
    if comparison.pk not in returned and not known:
        membership.priority, membership.position = comparison.priority, comparison.pk
    membership.save(update_fields=["priority", "position"])
    return lease_comparison(membership.user_id, *(known or (comparison,)))


def find_first_after(membership, from_start=False, lock=LOCK):
    """The id of the first comparison for this person after their position, locked; None where there is none."""
    parameters = {
        "dataset": membership.dataset_id,
        "priority": -1 if from_start else membership.priority,
        "position": -1 if from_start else membership.position,
        "user": membership.user_id,
        "hidden_since": adapt_time(timezone.now() - SKIP_COOLDOWN),
    }
    with connection.cursor() as cursor:
        cursor.execute(NEXT_ID + lock, parameters)
        row = cursor.fetchone()
    return row and row[0]


def find_first_returned(membership, returned):
    """The first of the comparisons that were just given back and that this person may have."""
    if not returned:
        return None
    mine = Judgment.objects.blocking(membership.user_id, timezone.now() - SKIP_COOLDOWN)
    open_ones = Comparison.objects.open().filter(pk__in=returned).exclude(pk__in=mine.values("comparison"))
    barred = Comparison.barred.through.objects.filter(comparison=OuterRef("pk"), user=membership.user_id)
    open_ones = open_ones.exclude(Exists(barred))
    comparison = open_ones.select_for_update(skip_locked=SKIPS_LOCKED).order_by("pk").first()
    return comparison and comparison.pk


def lease_comparison(user_id, comparison, purpose=Judgment.Purpose.VOTE, order=None):
    """The person's judgment of this comparison, leased: a new one with left and right drawn (or in this order), or
    their own whose lease ran out, with the sides as they were (a page with it may still be open somewhere)."""
    now = timezone.now()
    lease = {"leased_at": now, "lease_until": compute_lease_end(comparison.dataset)}
    judgment = Judgment.objects.filter(
        comparison=comparison, annotator=user_id, purpose=purpose, state=Judgment.State.EXPIRED
    ).first()
    if judgment:
        change_state(judgment, Judgment.State.LEASED, **lease)
        judgment.refresh_from_db()
    else:
        order = order or random.sample(comparison.response_ids, len(comparison.response_ids))
        judgment = Judgment.objects.create(
            comparison=comparison,
            dataset_id=comparison.dataset_id,
            annotator_id=user_id,
            purpose=purpose,
            order=order,
            **lease,
        )
    change_slots(judgment, -1)
    return judgment

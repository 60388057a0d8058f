"""The queue: who gets which comparison next. Exact under any concurrency: a comparison has never more leases and
verdicts than its overlap.

Transactions are short: expired leases are returned first, then the person's membership row is locked (two tabs of one
person wait for each other), then the next open comparison is taken. PostgreSQL skips rows that others have locked;
SQLite takes the write lock at the start of the transaction. No transaction waits for a comparison while it holds
another, which rules out deadlocks. The most frequent act, saving a verdict and leasing the next comparison, has a fast
path in fast_path.py.
"""

import random
import time
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from annotate.models import Membership, User
from annotate.queue import quality_checks
from annotate.queue.fast_path import LOCK, NEXT_ID, NEXT_PRIORITY, SKIP_COOLDOWN, SKIPS_LOCKED, adapt_time
from annotate.queue.places import RING, compute_place, get_ring_size
from datasets.db.write_lock import write_turn
from datasets.models import Comparison, Dataset, Judgment, JudgmentQuerySet

EXPIRED_AT_ONCE = 20  # leases
CHECK_INTERVAL_S = 1.0  # between two checks of one process for overdue leases; leases last minutes
SLOW_SEARCH_S = 0.05  # a search that takes longer is expensive
BACKOFF_FACTOR = 20  # pause after an expensive search without a result, as a multiple of its duration
TRIES = 8
_checked_at: dict[int, float] = {}  # {dataset id: time.monotonic()}


def lease_next(user: User, dataset: Dataset, have: Collection[int] | None = None) -> Judgment | None:
    """The person's current judgment: a reopened one, else a leased one, else the next open comparison.

    None if there is nothing for them, or the dataset is not open.

    have: ids of judgments that their browser has prefetched. Then returns another one, as long as they hold no more
    than the dataset's `kept_ready`.
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
            if not (SKIPS_LOCKED and search(membership, lock="")):
                back_off(membership, time.monotonic() - started)
                return None
        # Waiting for other people's row locks in arbitrary order could deadlock: retry instead.
        time.sleep(0.01 * (attempt + 1))
    return None


def is_excluded(user: User, dataset: Dataset, membership: Membership) -> bool:
    """Whether a person gets nothing here: paused by an admin, or yet to pass the practice round."""
    return membership.paused_at is not None or needs_practice(user, dataset, membership)


def needs_practice(user: User, dataset: Dataset, membership: Membership) -> bool:
    """Whether the person has yet to pass the practice round.

    A dataset without gold questions for it has no round. People who have judged here before it was set are spared,
    unless an admin has asked them to qualify again.
    """
    if not dataset.practice or user.is_admin or membership.practised_at:
        return False
    if membership.judged and membership.practice_first == 1:
        return False
    return dataset.gold.filter(for_practice=True).exists()


def is_practice_due(user: User, dataset: Dataset) -> bool:
    """Whether the person must take the practice round of this dataset now. Never in a dataset that is not open."""
    if not dataset.practice or dataset.state != dataset.State.OPEN:
        return False
    membership = Membership.objects.filter(user=user, dataset=dataset).first()
    return membership is not None and membership.paused_at is None and needs_practice(user, dataset, membership)


def lease_another(user: User, dataset: Dataset) -> Judgment | None:
    """One more judgment for this person, in addition to all that they hold; None if there is none.

    Renews the leases that they hold once half of their time is over.
    """
    held_states = [Judgment.State.LEASED, Judgment.State.REOPENED]
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, state__in=held_states)
    mine = mine.filter(purpose__in=Judgment.WORK)
    have, half = [], timezone.now() + timedelta(minutes=dataset.lease_minutes) / 2
    for judgment in mine.only("state", "lease_until"):
        have.append(judgment.pk)
        lease_until = judgment.lease_until
        if judgment.state == Judgment.State.LEASED and lease_until is not None and lease_until < half:
            mine.filter(pk=judgment.pk, state=Judgment.State.LEASED).update(lease_until=compute_lease_end(dataset))
    return lease_next(user, dataset, have)


def lock_membership(user: int, dataset: int) -> Membership:
    """The person's membership, locked, created at their first visit. Serialises all their acts in the dataset.

    user, dataset: ids.
    """
    locked = Membership.objects.select_for_update().filter(user=user, dataset=dataset)
    membership = locked.first()
    if membership is None:
        Membership.objects.bulk_create([Membership(user_id=user, dataset_id=dataset)], ignore_conflicts=True)
        membership = locked.get()
    return membership


def find_leased_judgment(user: User, dataset: Dataset, have: Collection[int] = ()) -> Judgment | None:
    """The person's current judgment, its lease renewed: the oldest reopened one, else a skip that they undid, else the
    oldest lease.

    Renews an overdue lease too, as long as it was not returned.

    have: ids of judgments to leave out.
    """
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, purpose__in=Judgment.WORK).exclude(pk__in=have)
    reopened_ones = mine.filter(state=Judgment.State.REOPENED).exclude(comparison__held=Comparison.CHAT)
    reopened = reopened_ones.order_by("decided_at", "pk").first()
    if reopened:
        return reopened
    judgment = mine.filter(state=Judgment.State.LEASED).order_by("-revision", "leased_at", "pk").first()
    if judgment is None:
        return None
    judgment.lease_until = compute_lease_end(dataset)
    return (
        judgment if mine.filter(pk=judgment.pk, state=judgment.state).update(lease_until=judgment.lease_until) else None
    )


def count_leased(user: User, dataset: Dataset) -> int:
    """The number of comparisons that this person holds."""
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, purpose__in=Judgment.WORK)
    return mine.filter(state=Judgment.State.LEASED).count()


def compute_lease_end(dataset: Dataset) -> datetime:
    """When a lease that starts now expires."""
    return timezone.now() + timedelta(minutes=dataset.lease_minutes)


def expire_leases(dataset: Dataset) -> list[int]:
    """Returns overdue leases to the queue: at most EXPIRED_AT_ONCE, one transaction each. Their comparisons' ids."""
    overdue = list_overdue_leases(dataset)
    returned = []
    for pk in overdue.order_by("lease_until").values_list("pk", flat=True)[:EXPIRED_AT_ONCE]:
        with write_turn(), transaction.atomic():
            judgment = overdue.select_for_update(skip_locked=SKIPS_LOCKED).filter(pk=pk).first()
            if judgment and change_state(judgment, Judgment.State.EXPIRED):
                change_slots(judgment, +1)
                returned.append(judgment.comparison_id)
    return returned


def has_overdue_leases(dataset: Dataset) -> bool:
    """Whether leases are overdue, so that the slow path must return them.

    Looks at most once per CHECK_INTERVAL_S and process; False in between.
    """
    now = time.monotonic()
    if now - _checked_at.get(dataset.pk, -CHECK_INTERVAL_S) < CHECK_INTERVAL_S:
        return False
    _checked_at[dataset.pk] = now
    return list_overdue_leases(dataset).exists()


def list_overdue_leases(dataset: Dataset) -> JudgmentQuerySet:
    return Judgment.objects.filter(dataset=dataset, state=Judgment.State.LEASED, lease_until__lt=timezone.now())


def release(user: User, dataset: Dataset, leases: Mapping[int, datetime]) -> None:
    """Returns prefetched leases that the browser never showed.

    leases: {judgment id: its `lease_until` as handed out}. A lease renewed since is in use and stays.
    """
    for pk, until in leases.items():
        with write_turn(), transaction.atomic():
            lock_membership(user.pk, dataset.pk)
            mine = Judgment.objects.filter(annotator=user, dataset=dataset, state=Judgment.State.LEASED)
            judgment = mine.filter(pk=pk, lease_until=until).first()
            if judgment and change_state(judgment, Judgment.State.EXPIRED):
                change_slots(judgment, +1)


def change_state(judgment: Judgment, state: Judgment.State, **changes: Any) -> int:
    """Moves a judgment to another state if its row still has the state and revision of `judgment`. 1 if it did, else 0.

    changes: other fields to write.

    Raises ValueError for a move that Judgment.MOVES does not list.
    """
    if state not in Judgment.MOVES[Judgment.State(judgment.state)]:
        raise ValueError(f"no move from {judgment.state} to {state}")
    moved = Judgment.objects.filter(pk=judgment.pk, state=judgment.state, revision=judgment.revision)
    return moved.update(state=state, **changes)


def change_slots(judgment: Judgment, by: int) -> None:
    """Changes the open slots of a vote's comparison.

    Other purposes take no slot; they run the same statement, so that its timing does not give them away.
    """
    by = by if judgment.purpose == Judgment.Purpose.VOTE else 0
    Comparison.objects.filter(pk=judgment.comparison_id).update(open_slots=F("open_slots") + by)


def is_backing_off(membership: Membership) -> bool:
    """Whether an expensive search without a result is too recent for another one."""
    return membership.nothing_until is not None and membership.nothing_until > timezone.now()


def back_off(membership: Membership, search_s: float) -> None:
    """Suspends searching for a while if a search without a result was expensive. search_s: its duration in seconds."""
    if search_s > SLOW_SEARCH_S:
        nothing_until = timezone.now() + BACKOFF_FACTOR * timedelta(seconds=search_s)
        Membership.objects.filter(pk=membership.pk).update(nothing_until=nothing_until)


def take_next(membership: Membership, returned: Collection[int], dataset: Dataset) -> Judgment | None:
    """Leases the next open comparison to this person; None if there is none.

    Looks first among the comparisons just returned; then, unless backing off, where find_next does. Sometimes leases a
    gold question or a repeat instead, and leaves the comparison in place: see quality_checks.py.
    """
    comparison_id = find_first_returned(membership, returned)
    if comparison_id is None and not is_backing_off(membership):
        comparison_id = find_next(membership, get_ring_size(dataset))
    if comparison_id is None:
        return None
    known = quality_checks.draw_known(membership.user_id, dataset) if dataset.mixes else None
    comparison = Comparison.objects.select_related("dataset").get(pk=comparison_id)
    if comparison.pk not in returned and not known:
        membership.priority, membership.position = comparison.priority, comparison.pk
    membership.save(update_fields=["priority", "position"])
    return lease_comparison(membership.user_id, *(known or (comparison,)))


def find_next(membership: Membership, ring: int) -> int | None:
    """The id of the next comparison for this person, locked; None if there is none.

    From their position to the end of its ring; then from the start, for what is left before their own place or came
    back behind them. In a ring that they have not begun, from their own place first. ring: see places.get_ring_size.
    """
    here = membership.priority // ring  # -1 for somebody who begins
    if here >= 0:
        comparison_id = search(membership, membership.priority, membership.position, (here + 1) * ring)
        if comparison_id is not None:
            return comparison_id
    first = 0 if ring == RING else search(membership, what=NEXT_PRIORITY, lock="")
    if first is not None and first // ring != here:
        start = first - first % ring
        own_place = start + compute_place(membership.user_id, membership.dataset_id, ring)
        comparison_id = search(membership, own_place, end=start + ring)
        if comparison_id is not None:
            return comparison_id
    return None if first is None else search(membership)


def search(
    membership: Membership,
    priority: int = -1,
    position: int = -1,
    end: int = RING,
    what: str = NEXT_ID,
    lock: str = LOCK,
) -> int | None:
    """The id of the first comparison for this person after a position in the queue, locked; None if there is none.

    end: of the search, as a priority. what: NEXT_PRIORITY for its priority instead. lock: the SQL of the row lock, ""
    for none.
    """
    parameters = {
        "dataset": membership.dataset_id,
        "priority": priority,
        "position": position,
        "end": end,
        "user": membership.user_id,
        "hidden_since": adapt_time(timezone.now() - SKIP_COOLDOWN),
    }
    with connection.cursor() as cursor:
        cursor.execute(what + lock, parameters)
        row = cursor.fetchone()
    return row and row[0]


def find_first_returned(membership: Membership, returned: Collection[int]) -> int | None:
    """The id of the first comparison among those just returned that this person may be given, locked."""
    if not returned:
        return None
    mine = Judgment.objects.blocking(membership.user_id, timezone.now() - SKIP_COOLDOWN)
    open_ones = Comparison.objects.open().filter(pk__in=returned).exclude(pk__in=mine.values("comparison"))
    barred = Comparison.barred.through.objects.filter(comparison=OuterRef("pk"), user=membership.user_id)
    open_ones = open_ones.exclude(Exists(barred))
    comparison = open_ones.select_for_update(skip_locked=SKIPS_LOCKED).order_by("pk").first()
    return comparison.pk if comparison else None


def lease_comparison(
    user_id: int, comparison: Comparison, purpose: str = Judgment.Purpose.VOTE, order: list[int] | None = None
) -> Judgment:
    """The person's judgment of this comparison, leased: a new one, or their own expired one.

    An expired judgment keeps its order of responses, as a page that shows it may still be open.

    order: of the response ids in a new judgment; None draws it at random.
    """
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

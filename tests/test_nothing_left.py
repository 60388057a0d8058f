"""Empty searches of a large queue are expensive: they are throttled, but nobody waits long."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from annotate.judging.record import record, undo
from annotate.models import Membership
from annotate.queue import lease
from annotate.queue.lease import lease_another, lease_next, release
from datasets.comparisons.generate import set_overlap
from datasets.models import Comparison, Judgment
from tests.conftest import build_rows
from tests.test_queue import expire_lease, has_right_counters


@pytest.fixture
def judged(make_dataset, alice):
    """A dataset with nothing left for alice, in which every empty search counts as expensive."""
    dataset = make_dataset(build_rows(2))
    for _ in range(2):
        record(lease_next(alice, dataset), 0, "left")
    return dataset


@pytest.fixture
def searches(monkeypatch):
    """Counts the searches; each takes the given number of seconds."""
    seen, really = [], lease.search

    def search_slowly(*args, **kwargs):
        seen.append(args)
        time.sleep(search_slowly.takes)
        return really(*args, **kwargs)

    search_slowly.takes = 0.06
    monkeypatch.setattr(lease, "search", search_slowly)
    return seen


def get_nothing_until(person):
    return Membership.objects.get(user=person).nothing_until


def test_a_dear_search_that_found_nothing_is_not_repeated_at_once(judged, alice, searches):
    started = timezone.now()
    assert lease_next(alice, judged) is None
    took, first = timezone.now() - started, len(searches)
    assert timedelta() < get_nothing_until(alice) - timezone.now() <= lease.BACKOFF_FACTOR * took
    assert [lease_next(alice, judged) for _ in range(3)] == [None] * 3
    assert len(searches) == first


def test_it_is_repeated_once_the_rest_is_over(judged, alice, searches):
    lease_next(alice, judged)
    first = len(searches)
    Membership.objects.update(nothing_until=timezone.now())
    lease_next(alice, judged)
    assert len(searches) == 2 * first


def test_a_quick_search_needs_no_rest(judged, alice):
    assert lease_next(alice, judged) is None
    assert get_nothing_until(alice) is None


@pytest.mark.parametrize("what", ["import", "overlap", "skip"])
def test_what_is_new_is_there_once_the_rest_is_over(judged, make_dataset, alice, bob, searches, what):
    if what == "skip":
        set_overlap(judged, 2)
        held = lease_next(bob, judged)
        Comparison.objects.exclude(pk=held.comparison_id).update(open_slots=0)
    lease_next(alice, judged)
    if what == "import":
        make_dataset(build_rows(3))
    elif what == "overlap":
        Judgment.objects.update(annotator=bob)
        set_overlap(judged, 2)
    else:
        Judgment.objects.filter(annotator=alice).update(state="skipped", decided_at=timezone.now() - timedelta(days=2))
        record(held, 0, "skip")
    assert lease_next(alice, judged) is None
    Membership.objects.update(nothing_until=timezone.now())
    assert lease_next(alice, judged)


def test_what_comes_back_is_found_in_spite_of_the_rest(make_dataset, alice, bob, searches):
    dataset = make_dataset(build_rows(1))
    held = lease_next(bob, dataset)
    assert lease_next(alice, dataset) is None
    assert get_nothing_until(alice) > timezone.now()
    expire_lease(held)
    assert lease_next(alice, dataset).comparison_id == held.comparison_id
    assert has_right_counters(dataset)


def test_what_one_reopened_or_holds_is_given_in_spite_of_the_rest(judged, alice, searches):
    lease_next(alice, judged)
    last = Judgment.objects.latest("pk")
    assert undo(last, 1)
    assert lease_next(alice, judged) == last


def test_the_rest_is_each_persons_own(judged, alice, bob, searches):
    set_overlap(judged, 2)
    lease_next(alice, judged)
    assert lease_next(bob, judged)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows")
@pytest.mark.django_db(transaction=True)
def test_what_somebody_else_is_just_taking_is_waited_for_and_starts_no_rest(make_dataset, alice, searches):
    from django.db import transaction

    dataset = make_dataset(build_rows(1))
    with transaction.atomic():
        Comparison.objects.select_for_update().get()
        found = []

        def look():
            found.append(lease_next(alice, dataset))
            connection.close()

        thread = threading.Thread(target=look)
        thread.start()
        time.sleep(0.4)
    thread.join()
    assert found[0] is not None
    assert get_nothing_until(alice) is None


# --- leases that a browser returns ------------------------------------------------------------------------------------


@pytest.fixture
def kept(make_dataset, alice):
    """(a dataset, the comparison that alice sees, those that her browser has prefetched)"""
    dataset = make_dataset(build_rows(4))
    shown = lease_next(alice, dataset)
    return dataset, shown, lease_next(alice, dataset, [shown.pk])


def list_states():
    return list(Judgment.objects.order_by("pk").values_list("state", flat=True))


def test_what_is_given_back_as_it_was_handed_out_is_free(kept, alice, bob):
    dataset, _shown, ready = kept
    for _ in range(2):  # a browser may say it twice
        release(alice, dataset, {ready.pk: ready.lease_until})
        assert list_states() == ["leased", "expired"]
        assert has_right_counters(dataset)


@pytest.mark.parametrize("off", [timedelta(microseconds=1), timedelta(seconds=-1)])
def test_what_was_handed_out_again_since_stays(kept, alice, off):
    dataset, _shown, ready = kept
    release(alice, dataset, {ready.pk: ready.lease_until + off})
    assert list_states() == ["leased", "leased"]


def test_nobody_gives_back_what_is_anothers_or_judged_or_of_another_dataset(kept, alice, bob, make_dataset):
    dataset, shown, ready = kept
    record(shown, 0, "left")
    other = make_dataset(build_rows(1), slug="other")
    release(bob, dataset, {ready.pk: ready.lease_until})
    release(alice, other, {ready.pk: ready.lease_until})
    release(alice, dataset, {shown.pk: shown.lease_until, 10**17: ready.lease_until})
    assert list_states() == ["saved", "leased"]
    assert has_right_counters(dataset)


def test_another_is_one_besides_all_that_the_person_holds(kept, alice):
    dataset, shown, ready = kept
    seen = {shown.pk, ready.pk}
    for _ in range(2):
        seen.add(lease_another(alice, dataset).pk)
    assert len(seen) == 4
    assert lease_another(alice, dataset) is None


def test_what_ran_out_comes_back_to_who_held_it_with_its_sides(kept, alice):
    dataset, shown, ready = kept
    for judgment in (shown, ready):
        expire_lease(judgment)
    again = lease_next(alice, dataset, [])
    assert (again.pk, again.order) in [(shown.pk, shown.order), (ready.pk, ready.order)]
    assert has_right_counters(dataset)

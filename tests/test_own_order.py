"""Each person's own order among comparisons of equal priority: a place of their own in the ring of priorities."""

import threading
from collections import Counter

import pytest
from django.db import connection

from analyze import queue_order
from annotate.judging.forms import Submission
from annotate.judging.question_spec import build_spec
from annotate.judging.record import record, save
from annotate.models import Membership
from annotate.queue import lease
from annotate.queue.fast_path import NEXT_ID, adapt_time, find_judgment
from annotate.queue.lease import lease_next
from annotate.queue.places import LEVEL_SIZE, RING, compute_place
from datasets.models import Comparison
from tests.conftest import build_rows, create_person
from tests.test_queue import has_right_counters


@pytest.fixture(autouse=True)
def _own_places(_quick_and_alone, monkeypatch):
    """Each person begins at a place of their own, as outside of tests."""
    monkeypatch.setattr(lease, "compute_place", compute_place)


def judge_slowly(person, dataset, most=1000):
    """Judges until nothing is left, as a browser without JavaScript does. Returns the comparisons in order."""
    seen = []
    while len(seen) < most and (judgment := lease_next(person, dataset)):
        seen.append(judgment.comparison_id)
        record(judgment, judgment.revision, "left")
    return seen


def judge_fast(person, dataset, most=1000):
    """The same by the fast path."""
    seen, judgment = [], lease_next(person, dataset)
    while judgment and len(seen) < most:
        seen.append(judgment.comparison_id)
        judgment = find_judgment(person, dataset, judgment.pk)
        judgment = save(judgment, 0, Submission("left"), build_spec(dataset, 2), leasing=True).next
    return seen


def find_far_from(person, dataset, ring):
    """Somebody who begins at least a quarter of the ring away from this person."""
    place = compute_place(person.pk, dataset.pk, ring)
    for n in range(100):
        other = create_person(f"far{n}")
        if ring // 4 < (compute_place(other.pk, dataset.pk, ring) - place) % ring < 3 * ring // 4:
            return other
    raise AssertionError("all begin at nearly the same place")


WAYS = pytest.mark.parametrize("judge", [judge_slowly, judge_fast])


@WAYS
def test_two_people_walk_in_orders_of_their_own_and_each_gets_all_once(make_dataset, alice, judge):
    dataset = make_dataset(build_rows(50), overlap=2)
    bob = find_far_from(alice, dataset, RING)
    first, second = judge(alice, dataset), judge(bob, dataset)
    assert first != second
    ring = list(Comparison.objects.order_by("priority", "pk").values_list("pk", flat=True))
    for person, seen in ((alice, first), (bob, second)):
        own_place = compute_place(person.pk, dataset.pk, RING)
        start = Comparison.objects.filter(priority__lt=own_place).count()
        assert seen == ring[start:] + ring[:start]
    assert has_right_counters(dataset)


def test_a_place_is_always_the_same_and_another_for_each_person_and_dataset():
    places = [compute_place(person, dataset, RING) for person in range(1, 21) for dataset in range(1, 21)]
    assert places == [compute_place(person, dataset, RING) for person in range(1, 21) for dataset in range(1, 21)]
    assert len(set(places)) == 400
    assert all(0 <= place < RING for place in places)
    quarters = Counter(place // (RING // 4) for place in places)
    assert min(quarters.values()) > 60


@WAYS
def test_what_is_more_informative_still_comes_first(make_dataset, alice, judge):
    dataset = make_dataset(build_rows(40), overlap=2, order="informative")
    bob = find_far_from(alice, dataset, LEVEL_SIZE)
    for n, comparison in enumerate(Comparison.objects.order_by("pk")):
        priority = n % 4 * LEVEL_SIZE + comparison.priority % LEVEL_SIZE
        Comparison.objects.filter(pk=comparison.pk).update(priority=priority)
    levels = {pk: priority // LEVEL_SIZE for pk, priority in Comparison.objects.values_list("pk", "priority")}
    orders = [judge(person, dataset) for person in (alice, bob)]
    for seen in orders:
        assert [levels[pk] for pk in seen] == sorted(levels.values())
        assert set(seen) == set(levels)
    of_level = [[[pk for pk in seen if levels[pk] == level] for level in range(4)] for seen in orders]
    assert any(mine != theirs for mine, theirs in zip(*of_level, strict=True))


def test_who_begins_anew_is_led_to_their_own_place_also_from_the_fast_path(make_dataset, alice):
    dataset = make_dataset(build_rows(40), order="informative")
    for comparison in Comparison.objects.all():
        Comparison.objects.filter(pk=comparison.pk).update(priority=comparison.priority % LEVEL_SIZE)
    own_place = compute_place(alice.pk, dataset.pk, LEVEL_SIZE)
    seen = judge_fast(alice, dataset, 3)
    Membership.objects.update(priority=-1, position=-1)  # as queue_order does
    seen += judge_fast(alice, dataset)
    assert sorted(seen) == sorted(Comparison.objects.values_list("pk", flat=True))
    expected = Comparison.objects.filter(priority__gte=own_place).order_by("priority").values_list("pk", flat=True)
    assert seen[: len(expected)] == list(expected)


@WAYS
def test_a_new_order_of_levels_loses_nothing(make_dataset, alice, judge):
    dataset = make_dataset(build_rows(30), order="informative")
    seen = judge(alice, dataset, 10)
    queue_order.steer(dataset)
    held = set(Comparison.objects.filter(judgments__state="leased").values_list("pk", flat=True)) - set(seen)
    seen += judge(alice, dataset)
    assert len(held) <= 1
    assert sorted(seen) == sorted(Comparison.objects.values_list("pk", flat=True))


@pytest.mark.parametrize("end", [RING, LEVEL_SIZE])
def test_the_search_walks_the_index_of_the_queue(make_dataset, alice, end):
    dataset = make_dataset(build_rows(60))
    values = {"dataset": dataset.pk, "priority": 5, "position": 5, "end": end, "user": alice.pk}
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE datasets_comparison")
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
        plan = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
        cursor.execute(plan + NEXT_ID, values | {"hidden_since": adapt_time(dataset.created_at)})
        lines = [str(row[-1]) for row in cursor.fetchall()]
    text = "\n".join(lines)
    assert "next_comparison" in text
    assert "Sort" not in text.replace("Sort Key", "Sort") or connection.vendor != "postgresql"
    assert "TEMP B-TREE" not in text
    if connection.vendor == "postgresql":
        assert any("Index Cond" in line and "ROW(priority, id) >" in line and "priority <" in line for line in lines)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_on_their_own_ways_leave_nothing_and_take_nothing_twice(make_dataset):
    dataset = make_dataset(build_rows(60), overlap=2, order="informative")
    people, errors = [create_person(f"p{i}") for i in range(12)], []

    def work(person, number):
        try:
            (judge_fast if number % 2 else judge_slowly)(person, dataset)
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(person, n)) for n, person in enumerate(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for person in people:
        judge_slowly(person, dataset)
    assert set(Comparison.objects.values_list("open_slots", flat=True)) == {0}
    assert has_right_counters(dataset)

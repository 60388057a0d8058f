"""The queue: overlap, leases, positions."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from annotate.judging.record import record, undo
from annotate.queue.lease import lease_next
from datasets.models import Comparison, Judgment
from tests.conftest import build_rows, create_person


def recount(dataset):
    """{comparison: open slots}, recounted from the judgments."""
    found = {c.pk: c.wanted for c in Comparison.objects.filter(dataset=dataset)}
    holding = {"state__in": ["leased", "saved", "reopened"], "purpose": "vote"}
    for judgment in Judgment.objects.filter(dataset=dataset, **holding):
        found[judgment.comparison_id] -= 1
    return found


def has_right_counters(dataset):
    return recount(dataset) == dict(Comparison.objects.filter(dataset=dataset).values_list("pk", "open_slots"))


def test_the_one_in_hand_is_given_again(pairs, alice):
    first = lease_next(alice, pairs)
    again = lease_next(alice, pairs)
    assert (again.pk, again.order) == (first.pk, first.order)


def test_one_in_hand_is_not_given_to_somebody_else(pairs, alice, bob):
    assert lease_next(alice, pairs).comparison_id != lease_next(bob, pairs).comparison_id


def test_everything_is_judged_once_and_then_there_is_nothing(pairs, alice):
    seen = []
    while judgment := lease_next(alice, pairs):
        seen.append(judgment.comparison_id)
        record(judgment, judgment.revision, "left")
    assert sorted(seen) == sorted(Comparison.objects.values_list("pk", flat=True))
    assert has_right_counters(pairs)


def expire_lease(judgment):
    Judgment.objects.filter(pk=judgment.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_lease_that_ran_out_comes_back_to_the_next_who_asks(pairs, alice, bob):
    left = lease_next(alice, pairs)
    expire_lease(left)
    assert lease_next(bob, pairs).comparison_id == left.comparison_id
    assert has_right_counters(pairs)


def test_over_lunch_the_comparison_stays_mine_with_the_same_sides(make_dataset, alice):
    dataset = make_dataset(build_rows(1))
    mine = lease_next(alice, dataset)
    expire_lease(mine)
    again = lease_next(alice, dataset)
    assert (again.pk, again.order, again.state) == (mine.pk, mine.order, "leased")


def test_a_late_verdict_is_kept_and_marked_surplus(make_dataset, alice, bob):
    dataset = make_dataset(build_rows(1))
    late = lease_next(alice, dataset)
    expire_lease(late)
    other = lease_next(bob, dataset)
    assert record(other, 0, "left")
    assert record(late, 0, "right")
    late.refresh_from_db()
    other.refresh_from_db()
    assert (late.state, late.surplus, other.surplus) == ("saved", True, False)
    assert late.choices.get().chosen_id == late.order[1]
    assert has_right_counters(dataset)


def test_a_skip_gives_the_slot_back_and_hides_it_for_a_day(make_dataset, alice, bob):
    dataset = make_dataset(build_rows(1))
    skipped = lease_next(alice, dataset)
    record(skipped, 0, "skip")
    assert lease_next(alice, dataset) is None
    assert lease_next(bob, dataset).comparison_id == skipped.comparison_id
    assert has_right_counters(dataset)


def test_a_skip_and_a_second_look_take_their_own_time(make_dataset, alice):
    dataset = make_dataset(build_rows(2))
    record(lease_next(alice, dataset), 0, "skip")
    judged = lease_next(alice, dataset)
    Judgment.objects.filter(pk=judged.pk).update(leased_at=timezone.now() - timedelta(hours=3))
    judged.refresh_from_db()
    record(judged, 0, "left")
    undo(judged, 1)
    record(judged, 1, "right")
    assert all(0 <= seconds < 60 for seconds in Judgment.objects.values_list("seconds", flat=True))


def test_a_skip_is_forgotten_after_a_day(make_dataset, alice):
    dataset = make_dataset(build_rows(1))
    skipped = lease_next(alice, dataset)
    record(skipped, 0, "skip")
    Judgment.objects.update(decided_at=timezone.now() - timedelta(days=1, seconds=1))
    again = lease_next(alice, dataset)
    assert again.comparison_id == skipped.comparison_id
    assert again.pk != skipped.pk


def test_what_came_back_behind_me_is_found_once_i_reach_the_end(make_dataset, alice, bob):
    dataset = make_dataset(build_rows(4))
    first = lease_next(bob, dataset)
    while judgment := lease_next(alice, dataset):
        record(judgment, 0, "tie")
    record(first, 0, "skip")
    assert lease_next(alice, dataset).comparison_id == first.comparison_id


def test_overlap_goes_to_different_people(make_dataset, alice, bob, charlie):
    dataset = make_dataset(build_rows(1), overlap=2)
    given = [lease_next(user, dataset) for user in (alice, bob, charlie)]
    assert [bool(judgment) for judgment in given] == [True, True, False]


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_judge_each_comparison_exactly_as_often_as_wanted(make_dataset):
    """Fifty people judge continuously, some skip and undo: nobody twice, overlap exact, nothing lost."""
    dataset = make_dataset(build_rows(60), overlap=3)
    people = [create_person(f"p{i}") for i in range(50)]
    saved, errors = Counter(), []

    def work(user, number):
        try:
            for turn in range(40):
                judgment = lease_next(user, dataset)
                if judgment is None:
                    return
                verdict = "skip" if (turn + number) % 11 == 0 else ("left", "right", "tie", "both_bad")[turn % 4]
                assert record(judgment, judgment.revision, verdict)
                assert not record(judgment, judgment.revision, verdict), "a second click"
                if verdict != "skip" and turn % 7 == 0:
                    assert undo(judgment, judgment.revision + 1)
                    again = lease_next(user, dataset)
                    assert again.pk == judgment.pk
                    assert record(again, again.revision, "left")
                saved[user.pk] += verdict != "skip"
        except BaseException as error:  # the test reports the error
            errors.append(error)
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(user, number)) for number, user in enumerate(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for user in people:  # anybody who still can takes the skipped ones at the end
        while judgment := lease_next(user, dataset):
            record(judgment, judgment.revision, "left")
            saved[user.pk] += 1
    votes = Judgment.objects.filter(dataset=dataset, state="saved")
    assert votes.count() == sum(saved.values()) == 60 * 3
    per_comparison = Counter(votes.values_list("comparison", flat=True))
    assert set(per_comparison.values()) == {3}
    assert not votes.filter(surplus=True).exists()
    assert max(Counter(votes.values_list("comparison", "annotator")).values()) == 1
    assert has_right_counters(dataset)

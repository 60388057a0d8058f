"""Concurrency on the fast path: overlap exact, nobody twice, all counts right."""

import fcntl
import os
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection, transaction

from annotate import day
from annotate.judging.forms import Submission
from annotate.judging.question_spec import build_spec
from annotate.judging.record import record, save
from annotate.queue.fast_path import find_judgment
from annotate.queue.lease import lease_next
from datasets.models import Judgment
from tests.conftest import build_rows, create_person
from tests.test_fast_path import has_right_judged_counts
from tests.test_queue import has_right_counters


def run_at_once(*works):
    """Runs these concurrently. Only one test at a time does so: twice fifty connections exceed PostgreSQL's limit. The
    calls must not use it themselves: they would deadlock."""
    errors = []

    def run(work):
        try:
            work()
        except BaseException as error:  # the test reports the error
            errors.append(error)
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    with open(Path(os.environ["CHOSEN_TESTS"]) / "at-once", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors


@pytest.mark.django_db(transaction=True)
def test_forty_at_once_the_short_way_judge_each_exactly_as_often_as_wanted(make_dataset):
    dataset = make_dataset(build_rows(60), overlap=3)
    people, acts = [create_person(f"p{i}") for i in range(40)], Counter()

    def work(user):
        judgment = lease_next(user, dataset)
        while judgment:
            act = Submission(("left", "right", "tie", "both_bad")[judgment.pk % 4])
            done = save(judgment, 0, act, build_spec(dataset, 2), leasing=True)
            assert done.changed
            assert not save(judgment, 0, act, build_spec(dataset, 2), leasing=True).changed
            acts["short" if done.day is not None else "long"] += 1
            judgment = done.next or lease_next(user, dataset)
            judgment = judgment and find_judgment(user, dataset, judgment.pk)

    run_at_once(*(lambda user=user: work(user) for user in people))
    votes = Judgment.objects.filter(dataset=dataset, state="saved")
    assert votes.count() == acts.total() == 60 * 3
    assert acts["short"] > 60
    assert set(Counter(votes.values_list("comparison", flat=True)).values()) == {3}
    assert max(Counter(votes.values_list("comparison", "annotator")).values()) == 1
    assert has_right_counters(dataset)
    assert has_right_judged_counts(dataset)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("same", [True, False])
def test_two_requests_of_one_person_at_once_are_one_act_each(make_dataset, alice, same):
    """The same form twice, or two forms: each is saved once, and no comparison is leased twice."""
    dataset = make_dataset(build_rows(40), overlap=2, kept_ready=3)
    asked = build_spec(dataset, 2)
    for _ in range(12):
        first = lease_next(alice, dataset)
        forms = [first, first if same else lease_next(alice, dataset, [first.pk])]
        forms = [find_judgment(alice, dataset, form.pk) for form in forms]
        done, start = [], threading.Barrier(2)

        def post(form, done=done, start=start):
            start.wait()
            done.append(save(form, 0, Submission("left"), asked, leasing=True).changed)

        run_at_once(*(lambda form=form: post(form) for form in forms))
        assert sorted(done) == [not same, True]
        assert has_right_counters(dataset)
        assert has_right_judged_counts(dataset)
    held = Judgment.objects.filter(state="leased").values_list("comparison", flat=True)
    assert len(held) == len(set(held)) <= dataset.kept_ready + 2


@pytest.mark.django_db(transaction=True)
def test_two_judgments_of_one_person_at_once_both_count_for_their_day(make_dataset, alice):
    dataset = make_dataset(build_rows(16), kept_ready=8)
    one = lease_next(alice, dataset)
    other = lease_next(alice, dataset, [one.pk])
    is_saved = threading.Event()

    def save_slowly():
        with transaction.atomic():
            assert save(one, 0, Submission("left"), build_spec(dataset, 2)).changed
            is_saved.set()
            time.sleep(1)

    def record_meanwhile():
        is_saved.wait(10)
        assert record(other, 0, "left")

    run_at_once(save_slowly, record_meanwhile)
    assert day.fetch_day(alice, dataset)[:2] == (2, 2)

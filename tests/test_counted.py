"""Counts of large datasets: stored, shown until they are old, counted again in the background."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from analyze import counted
from analyze.counted import Counted, count_days, count_numbers
from analyze.latest_report import get_status
from analyze.models import Statistic
from analyze.report import make_report
from annotate.judging.record import record
from annotate.queue.lease import lease_next
from datasets.judgments import statistics
from datasets.judgments.listing import list_people
from tests.conftest import build_rows


@pytest.fixture
def large(make_dataset, alice, monkeypatch):
    """A dataset with one judgment, which is many here; what is counted again is counted immediately."""
    monkeypatch.setattr(counted, "FEW", 0)
    monkeypatch.setattr(counted, "_threads", SimpleNamespace(submit=lambda work, *args: work(*args)))
    monkeypatch.setattr(counted.connection, "close", lambda: None)
    dataset = make_dataset(build_rows(4))
    record(lease_next(alice, dataset), 0, "left")
    return dataset


def age(dataset, seconds):
    """Lets all counts of a dataset be that old."""
    then = timezone.now() - timedelta(seconds=seconds)
    Statistic.objects.filter(dataset=dataset).update(made_at=then, began_at=then - timedelta(seconds=1))


def test_a_small_dataset_is_counted_whenever_it_is_shown(large, monkeypatch):
    monkeypatch.setattr(counted, "FEW", 1)
    for n in (1, 2):
        page = Counted(large)
        assert (page.get("n", lambda n=n: n, int), page.made_at) == (n, None)
    assert not Statistic.objects.exists()


def test_a_count_is_shown_until_it_is_old_and_then_once_more(large):
    assert Counted(large).get("n", lambda: 1, int) == 1
    page = Counted(large)
    assert page.get("n", lambda: 2, int) == 1
    assert page.made_at == Statistic.objects.get().made_at
    age(large, counted.FRESH_S + 1)
    assert Counted(large).get("n", lambda: 3, int) == 1
    assert Counted(large).get("n", lambda: 4, int) == 3


def test_a_count_that_takes_long_is_made_less_often(large):
    Counted(large).get("n", lambda: 1, int)
    Statistic.objects.update(seconds=2)
    for seconds, shown in ((99, 1), (101, 2)):
        age(large, seconds)
        Counted(large).get("n", lambda: 2, int)
        assert Counted(large).get("n", lambda: 3, int) == shown


def test_a_count_that_another_process_is_making_is_not_made_twice(large):
    Counted(large).get("n", lambda: 1, int)
    age(large, 100)
    Statistic.objects.update(began_at=timezone.now() - timedelta(seconds=5))
    Counted(large).get("n", lambda: 2, int)
    assert Counted(large).get("n", lambda: 3, int) == 1
    Statistic.objects.update(began_at=timezone.now() - counted.STUCK)
    Statistic.objects.update(made_at=timezone.now() - counted.STUCK - timedelta(seconds=1))
    Counted(large).get("n", lambda: 4, int)
    assert Counted(large).get("n", lambda: 5, int) == 4


def test_counts_that_nobody_has_looked_at_are_removed(large):
    Counted(large).get("n", lambda: 1, int)
    Statistic.objects.update(made_at=timezone.now() - counted.UNUSED)
    Counted(large).get("m", lambda: 1, int)
    assert Statistic.objects.get().key == "m"


def test_what_is_stored_is_what_was_counted(large):
    people = list_people(large)
    fresh = (statistics.count_by_day(large), statistics.compute_numbers(large, people))
    for _ in range(2):
        page = Counted(large)
        assert (count_days(page), count_numbers(page, people)) == fresh


def test_the_pages_of_a_lead_are_the_same_from_stored_counts(large, client, admin):
    client.force_login(admin)
    for path in ("", "annotators/"):
        pages = [client.get(f"/datasets/demo/{path}") for _ in range(3)]
        assert [page.status_code for page in pages] == [200] * 3
        assert pages[1].context["counted_at"] is not None
        keys = ("people",) if path else ("progress", "votes", "pace", "days", "people", "sources", "most_chosen")
        shown = [[page.context[key] for key in keys] for page in pages[1:]]
        assert shown[0] == shown[1]


def test_a_report_is_not_old_because_of_an_older_count(large, alice, admin):
    assert get_status(large).is_old
    record(lease_next(alice, large), 0, "left")
    make_report(large)
    status = get_status(large)
    assert (status.is_old, status.newer) == (False, 0)

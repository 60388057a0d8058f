"""What encourages: judgments done of those wanted, mine today, my pace. None of it costs a count for each verdict."""

from datetime import timedelta
from operator import itemgetter
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from analyze.counted import Counted
from analyze.views.overview import describe_progress
from annotate.day import LATEST, Day, compute_pace, fetch_day
from annotate.judging.forms import Submission
from annotate.judging.question_spec import build_spec
from annotate.judging.record import record, save, undo
from annotate.models import Membership
from annotate.queue.fast_path import find_judgment
from annotate.queue.lease import lease_next
from datasets.comparisons.gold import create_gold
from datasets.judgments.statistics import get_recent_share
from datasets.models import Judgment
from tests.conftest import build_rows
from tests.test_annotate import HTMX, Browser, read_fields


def judge_slowly(person, dataset, seconds):
    judgment = lease_next(person, dataset)
    Judgment.objects.filter(pk=judgment.pk).update(leased_at=timezone.now() - timedelta(hours=1))
    judgment.refresh_from_db()
    record(judgment, judgment.revision, "left", seconds=seconds)


def judge_fast(person, dataset, seconds):
    judgment = lease_next(person, dataset)
    Judgment.objects.filter(pk=judgment.pk).update(leased_at=timezone.now() - timedelta(hours=1))
    judgment = find_judgment(person, dataset, judgment.pk)
    saved = save(judgment, 0, Submission("left", {}, seconds), build_spec(dataset, 2), leasing=True)
    assert saved.day == fetch_day(person, dataset)


WAYS = pytest.mark.parametrize("judge", [judge_slowly, judge_fast])


@WAYS
def test_both_ways_count_the_day_and_its_pace(make_dataset, alice, judge):
    dataset = make_dataset(build_rows(40))
    assert fetch_day(alice, dataset) == Day()
    seconds = [10, 20, 30, 10_000, *[40] * 30]
    for each in seconds:
        judge(alice, dataset, each)
    expected = None
    for n, each in enumerate(seconds, 1):
        expected = compute_pace(expected, n, each)
    day = fetch_day(alice, dataset)
    assert day[:2] == (34, 34)
    assert day.pace == pytest.approx(expected)


def test_the_pace_is_a_mean_at_first_and_then_follows_the_latest():
    pace = None
    for n in range(1, LATEST + 1):
        pace = compute_pace(pace, n, n)
    assert pace == pytest.approx((LATEST + 1) / 2)
    for _ in range(5 * LATEST):
        pace = compute_pace(pace, 1000, 60)
    assert pace == pytest.approx(60, abs=0.5)
    assert compute_pace(None, 1, 10_000) == 600, "longer means that the person was away"


@WAYS
def test_a_new_day_begins_at_none(make_dataset, alice, judge):
    dataset = make_dataset(build_rows(5))
    for _ in range(2):
        judge(alice, dataset, 10)
    Judgment.objects.update(decided_at=timezone.now() - timedelta(days=1))
    Membership.objects.update(day=timezone.localdate() - timedelta(days=1))
    assert fetch_day(alice, dataset) == Day(2, 0, None)
    judge(alice, dataset, 30)
    assert fetch_day(alice, dataset) == Day(3, 1, 30)


def test_the_day_is_that_of_the_persons_clock(make_dataset, alice, monkeypatch):
    dataset = make_dataset(build_rows(5))
    at = timezone.now().replace(hour=20, minute=30)
    monkeypatch.setattr("django.utils.timezone.now", lambda: at)
    with timezone.override(ZoneInfo("Asia/Shanghai")):
        record(lease_next(alice, dataset), 0, "left")
        assert Membership.objects.get().day == at.astimezone(ZoneInfo("Asia/Shanghai")).date()
        assert fetch_day(alice, dataset).today == 1
    with timezone.override(ZoneInfo("America/New_York")):
        assert fetch_day(alice, dataset).today == 0


@WAYS
def test_an_undone_verdict_counts_until_it_is_skipped(make_dataset, alice, judge):
    dataset = make_dataset(build_rows(5))
    for _ in range(3):
        judge(alice, dataset, 10)
    last = Judgment.objects.filter(state="saved").latest("decided_at")
    assert undo(last, last.revision)
    last.refresh_from_db()
    assert fetch_day(alice, dataset)[:2] == (3, 3)
    record(last, last.revision, "right")
    assert fetch_day(alice, dataset)[:2] == (3, 3)
    last.refresh_from_db()
    assert undo(last, last.revision)
    last.refresh_from_db()
    record(last, last.revision, "skip")
    assert fetch_day(alice, dataset)[:2] == (2, 2)


def test_a_verdict_of_yesterday_that_is_changed_today_counts_today(make_dataset, alice):
    dataset = make_dataset(build_rows(5))
    judge_slowly(alice, dataset, 10)
    Judgment.objects.update(decided_at=timezone.now() - timedelta(days=1))
    Membership.objects.update(day=timezone.localdate() - timedelta(days=1))
    judgment = Judgment.objects.get()
    assert undo(judgment, 1)
    judgment.refresh_from_db()
    record(judgment, 1, "right")
    assert fetch_day(alice, dataset)[:2] == (1, 1)


def test_several_are_wanted_of_each_comparison_with_an_overlap(make_dataset, client, alice, bob):
    dataset = make_dataset(build_rows(4), overlap=3)
    page = Browser(client, alice).look().give("left").give("left")
    head = " ".join(page.page.find("header").text.split())
    assert "2 of 12 judgments" in head
    assert "You: 2 today" in head
    assert " each" not in head
    bar = page.page.find("progress")
    assert (bar["value"], bar["max"]) == ("2", "12")
    shown = describe_progress(dataset, Counted(dataset))
    share = get_recent_share(dataset)
    assert (share.part, share.whole) == (shown["votes"], shown["wanted"]) == (2, 12)
    home = " ".join(client.get("/").content.decode().split())
    assert "2 today" in home
    assert "2 of 12" in home


def test_the_pace_is_told_from_the_fifth_judgment_on(make_dataset, client, alice):
    dataset = make_dataset(build_rows(8))
    for _ in range(4):
        judge_slowly(alice, dataset, 34)
    page = Browser(client, alice).look()
    assert " each" not in page.page.find("header").text
    judge_slowly(alice, dataset, 34)
    assert "You: 5 today · 34 s each" in page.look().page.find("header").text


def test_gold_questions_count_as_the_person_sees_them_and_not_as_wanted(make_dataset, client, admin, alice):
    dataset = make_dataset(build_rows(12), gold_share=50)
    judgment = lease_next(admin, dataset)
    record(judgment, 0, "left")
    judgment.refresh_from_db()
    create_gold(judgment, by=admin)
    for _ in range(12):
        if judgment := lease_next(alice, dataset):
            record(judgment, judgment.revision, "left")
    judged = Judgment.objects.filter(annotator=alice, state="saved").count()
    assert fetch_day(alice, dataset)[:2] == (judged, judged)
    assert get_recent_share(dataset).part == Judgment.objects.votes().count()


def test_a_verdict_costs_no_count(make_dataset, client, alice, settings, monkeypatch):
    monkeypatch.setattr("datasets.judgments.progress.RECOUNT_FACTOR", 10**9)
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "day"}}
    make_dataset(build_rows(30))
    page = Browser(client, alice).look()
    for n in range(4):
        sent = read_fields(page.form) | {"verdict": "left", "ready": "1"}
        with CaptureQueriesContext(connection) as captured:
            answer = client.post("/annotate/demo/", sent, headers=HTMX)
        assert not [sql for sql in map(itemgetter("sql"), captured) if "COUNT(" in sql]
        assert f"You: {n + 1} today" in answer.content.decode()
        page.look()

"""Save and lease: the fast path in SQL and the slow path through the models leave the same rows."""

import importlib
from collections import Counter
from datetime import timedelta

import pytest
from django.apps import apps
from django.utils import timezone

from annotate.judging.forms import Submission
from annotate.judging.question_spec import build_spec
from annotate.judging.record import SaveResult, record, save, undo
from annotate.models import Membership
from annotate.queue import lease as queue_lease
from annotate.queue.fast_path import find_judgment
from annotate.queue.lease import lease_another, lease_next
from datasets.models import Choice, Comparison, Dataset, Judgment, Rating, Response
from tests.conftest import build_rows
from tests.test_queue import expire_lease, has_right_counters

SETTINGS = {"with_stars": True, "criteria": [{"name": "clear", "guideline": ""}], "overlap": 2, "allow_flag": True}
TIED = {"stars": [3, 3], "criteria": {"clear": {"verdict": ["tie"]}}}
SAID = {"stars": [4, 2], "criteria": {"clear": {"verdict": ["right"]}}, "reason": "so it is"}


@pytest.fixture(autouse=True)
def _nothing_was_looked_at():
    queue_lease._checked_at.clear()


def save_fast(judgment, revision, act):
    return save(judgment, revision, act, build_spec(judgment.dataset, 2), leasing=True)


def save_slow(judgment, revision, act):
    changed = record(judgment, revision, act.verdict, act.said, act.seconds, act.flag)
    return SaveResult(changed, None, lease_another(judgment.annotator, judgment.dataset) if changed else None)


# --- scenarios, each with the judgment to answer ----------------------------------------------------------------------


def lease_one(dataset, alice, bob):
    return lease_next(alice, dataset)


def keep_some_ready(dataset, alice, bob):
    first = lease_next(alice, dataset)
    lease_next(alice, dataset, [first.pk])
    return first


def keep_all_ready(dataset, alice, bob):
    Dataset.objects.filter(pk=dataset.pk).update(kept_ready=1)
    dataset.kept_ready = 1
    have = [lease_next(alice, dataset)]
    have.append(lease_next(alice, dataset, [have[0].pk]))
    comparison = Comparison.objects.filter(dataset=dataset).exclude(judgments__in=have).earliest("pk")
    order = comparison.response_ids
    lease = {"leased_at": timezone.now(), "lease_until": timezone.now() + timedelta(minutes=30)}
    Judgment.objects.create(comparison=comparison, dataset=dataset, annotator=alice, order=order, **lease)
    Comparison.objects.filter(pk=comparison.pk).update(open_slots=1)
    return have[0]


def halve_leases(dataset, alice, bob):
    first = keep_some_ready(dataset, alice, bob)
    Judgment.objects.filter(dataset=dataset).update(lease_until=timezone.now() + timedelta(minutes=10))
    return first


def save_before(dataset, alice, bob):
    judgment = lease_next(alice, dataset)
    record(judgment, 0, "tie", TIED)
    return judgment


def lease_and_expire(dataset, alice, bob):
    judgment = lease_next(alice, dataset)
    expire_lease(judgment)
    return judgment


def expire_and_release(dataset, alice, bob):
    judgment = lease_and_expire(dataset, alice, bob)
    queue_lease.expire_leases(dataset)
    judgment.refresh_from_db()
    return judgment


def expire_into_surplus(dataset, alice, bob):
    judgment = expire_and_release(dataset, alice, bob)
    Comparison.objects.filter(pk=judgment.comparison_id).update(wanted=1, open_slots=1)
    record(lease_next(bob, dataset), 0, "tie", TIED)
    return judgment


def expire_of_another(dataset, alice, bob):
    judgment = lease_next(alice, dataset)
    expire_lease(lease_next(bob, dataset))
    return judgment


def reopen(dataset, alice, bob):
    judgment = save_before(dataset, alice, bob)
    assert undo(judgment, 1)
    judgment.refresh_from_db()
    return judgment


def leave_nothing(dataset, alice, bob):
    judgment = lease_next(alice, dataset)
    Comparison.objects.filter(dataset=dataset).exclude(pk=judgment.comparison_id).update(open_slots=0, wanted=0)
    return judgment


def bar_from_next(dataset, alice, bob):
    judgment = lease_next(alice, dataset)
    Comparison.objects.filter(dataset=dataset).exclude(pk=judgment.comparison_id).earliest("pk").barred.add(alice)
    return judgment


def skip_next(dataset, alice, bob):
    record(lease_next(alice, dataset), 0, "skip")
    judgment = lease_next(alice, dataset)
    Membership.objects.filter(user=alice).update(priority=-1, position=-1)
    return judgment


def skip_day_ago(dataset, alice, bob):
    judgment = skip_next(dataset, alice, bob)
    Judgment.objects.filter(state="skipped").update(decided_at=timezone.now() - timedelta(days=1, minutes=1))
    return judgment


def flag_meanwhile(dataset, alice, bob):
    judgment = lease_next(alice, dataset)
    record(lease_next(bob, dataset), 0, "flag", flag="leak")
    return judgment


def move_behind(dataset, alice, bob):
    judgment = lease_next(alice, dataset)
    Membership.objects.filter(user=alice).update(priority=10, position=2**40)
    return judgment


def pause_dataset(dataset, alice, bob):
    judgment = lease_next(alice, dataset)
    Dataset.objects.filter(pk=dataset.pk).update(state="paused")
    dataset.state = judgment.dataset.state = "paused"
    return judgment


def pause_person(dataset, alice, bob):
    """Their lease is not returned yet."""
    judgment = lease_next(alice, dataset)
    Membership.objects.filter(user=alice, dataset=dataset).update(paused_at=timezone.now())
    return judgment


# (scenario, offset of the form's revision, verdict, whether the fast path applies)
SCENARIOS = [
    (lease_one, 0, "left", True), (lease_one, 0, "tie", True),
    (lease_one, 0, "both_bad", True), (lease_one, 0, "skip", False),
    (lease_one, 0, "flag", False), (lease_one, 0, "keep", False), (lease_one, 1, "left", False),
    (save_before, 0, "left", False), (save_before, -1, "left", False),
    (lease_and_expire, 0, "right", False), (expire_and_release, 0, "right", False),
    (expire_into_surplus, 0, "right", False),
    (expire_of_another, 0, "left", False), (reopen, 0, "right", False), (reopen, 0, "keep", False),
    (reopen, 0, "skip", False), (keep_some_ready, 0, "left", True), (keep_all_ready, 0, "left", True),
    (halve_leases, 0, "left", True), (halve_leases, 0, "skip", False),
    (leave_nothing, 0, "left", True), (bar_from_next, 0, "left", True), (skip_next, 0, "left", True),
    (skip_day_ago, 0, "left", True), (flag_meanwhile, 0, "left", True), (move_behind, 0, "left", True),
    (pause_dataset, 0, "left", False), (pause_person, 0, "left", True),
]  # fmt: skip


def list_touched_rows(dataset):
    """Every row that an act touches, described without ids."""
    comparisons = Comparison.objects.filter(dataset=dataset).order_by("pk")
    place = {comparison.pk: n for n, comparison in enumerate(comparisons)}
    soon = timezone.now() + timedelta(minutes=dataset.lease_minutes) / 2
    judgments = [
        (place[j.comparison_id], j.annotator.username, j.state, j.verdict, j.said, j.revision, j.flag, j.surplus,
         j.purpose, bool(j.decided_at), j.seconds is not None and round(j.seconds), j.lease_until < soon, len(j.order))
        for j in Judgment.objects.filter(dataset=dataset).select_related("annotator")
    ]  # fmt: skip
    of = ("judgment__annotator__username", "criterion")
    choices = Choice.objects.filter(judgment__dataset=dataset).values_list(
        *of, "chosen__text", "rejected__text", "strength", "rank_gap"
    )
    ratings = Rating.objects.filter(judgment__dataset=dataset).values_list(*of, "response__text", "stars")
    slots = comparisons.values_list("open_slots", "held")
    members = [
        (m.user.username, place.get(m.position, m.position), m.judged)
        for m in Membership.objects.filter(dataset=dataset).select_related("user")
    ]
    return [sorted(rows, key=str) for rows in (judgments, choices, ratings)] + [list(slots), sorted(members)]


def has_right_judged_counts(dataset):
    """Whether `judged` of each person equals the number of their standing verdicts."""
    votes = Judgment.objects.votes().filter(dataset=dataset)
    counted = Counter(votes.values_list("annotator", flat=True))
    return all(m.judged == counted[m.user_id] for m in Membership.objects.filter(dataset=dataset))


def act_in_scenario(make_dataset, way, arrange, off, verdict, *people):
    """(result of the act, rows that it left) for a scenario in a new dataset."""
    dataset = make_dataset(build_rows(5), slug=way.__name__, **SETTINGS)
    for n, comparison in enumerate(Comparison.objects.filter(dataset=dataset).order_by("pk")):
        Comparison.objects.filter(pk=comparison.pk).update(priority=n)
    judgment = arrange(dataset, *people)
    judgment.order = sorted(judgment.order)
    Judgment.objects.filter(pk=judgment.pk).update(order=judgment.order)
    said = {} if verdict in ("skip", "keep", "flag") else SAID
    judgment = find_judgment(people[0], dataset, judgment.pk)
    done = way(judgment, judgment.revision + off, Submission(verdict, said, 7.0, "unsafe" if verdict == "flag" else ""))
    assert has_right_judged_counts(dataset)
    assert has_right_counters(dataset)
    return done, list_touched_rows(dataset)


@pytest.mark.parametrize(("arrange", "off", "verdict", "is_short"), SCENARIOS)
def test_both_ways_leave_the_same_behind(make_dataset, alice, bob, arrange, off, verdict, is_short):
    done, rows = act_in_scenario(make_dataset, save_fast, arrange, off, verdict, alice, bob)
    other, other_rows = act_in_scenario(make_dataset, save_slow, arrange, off, verdict, alice, bob)
    assert rows == other_rows
    assert (done.changed, bool(done.next)) == (other.changed, bool(other.next))
    assert (done.day is not None) == is_short
    if is_short:
        assert done.day.judged == Membership.objects.get(user=alice, dataset__slug="save_fast").judged


@pytest.mark.parametrize("seconds", [None, 7.0])
@pytest.mark.parametrize("way", [save_fast, save_slow])
def test_a_clock_that_is_set_back_leaves_no_time_below_zero(make_dataset, alice, way, seconds):
    dataset = make_dataset(build_rows(2), **SETTINGS)
    judgment = lease_next(alice, dataset)
    Judgment.objects.update(leased_at=timezone.now() + timedelta(hours=3))
    assert way(find_judgment(alice, dataset, judgment.pk), 0, Submission("left", SAID, seconds)).changed
    assert Judgment.objects.get(pk=judgment.pk).seconds == 0


@pytest.mark.parametrize(("arrange", "expected"), [(lease_one, True), (leave_nothing, False), (keep_all_ready, False)])
def test_what_was_leased_stands_in_the_database_as_it_is_told(make_dataset, alice, bob, arrange, expected):
    done, _ = act_in_scenario(make_dataset, save_fast, arrange, 0, "left", alice, bob)
    assert bool(done.next) == expected
    if expected:
        stands = Judgment.objects.get(pk=done.next.pk)
        for name in ("order", "state", "revision", "verdict", "lease_until", "comparison_id", "dataset_id"):
            assert getattr(stands, name) == getattr(done.next, name)
        assert sorted(stands.order) == stands.comparison.response_ids
        assert done.next.comparison.prompt_id == stands.comparison.prompt_id


def test_the_judgment_of_another_person_or_dataset_is_none(make_dataset, alice, bob):
    dataset, other = make_dataset(build_rows(1)), make_dataset(build_rows(1), slug="other")
    judgment = lease_next(alice, dataset)
    assert find_judgment(alice, dataset, judgment.pk) == judgment
    for person_, where, pk in ((bob, dataset, judgment.pk), (alice, other, judgment.pk), (alice, dataset, 2**70)):
        assert find_judgment(person_, where, pk) is None


def test_answers_that_were_sent_along_untouched_take_the_short_way(make_dataset, alice):
    dataset = make_dataset(build_rows(2), allow_repair=True)
    judgment = find_judgment(alice, dataset, lease_next(alice, dataset).pk)
    texts = Response.objects.in_bulk(judgment.order)
    repairs = {side: texts[pk].text for side, pk in zip(("left", "right"), judgment.order, strict=True)}
    assert save_fast(judgment, 0, Submission("left", {"repairs": repairs})).day.judged == 1
    assert Judgment.objects.get(pk=judgment.pk).said == {}


def test_times_below_zero_that_an_older_version_stored_are_repaired(make_dataset, alice):
    judgment = lease_next(alice, make_dataset(build_rows(1)))
    for stored, repaired in ((-10_799.9, 0), (3.5, 3.5), (None, None)):
        Judgment.objects.update(seconds=stored)
        importlib.import_module("annotate.migrations.0007_no_negative_seconds").repair(apps, None)
        assert Judgment.objects.get(pk=judgment.pk).seconds == repaired

"""Save and lease: the short way in SQL and the long way through the models leave the same rows behind."""

import importlib
from collections import Counter
from datetime import timedelta

import pytest
from django.apps import apps
from django.utils import timezone

from annotate.judging.forms import Act
from annotate.judging.question_spec import asked_of
from annotate.judging.record import Done, record, save, undo
from annotate.models import Membership
from annotate.queue import lease as queue_lease
from annotate.queue.fast_path import judgment_of
from annotate.queue.lease import another, next_judgment
from datasets.models import Choice, Comparison, Dataset, Judgment, Rating, Response
from tests.conftest import wide
from tests.test_queue import counters_hold, lapse

SETTINGS = {"with_stars": True, "criteria": [{"name": "clear", "guideline": ""}], "overlap": 2, "allow_flag": True}
TIED = {"stars": [3, 3], "criteria": {"clear": {"verdict": ["tie"]}}}
SAID = {"stars": [4, 2], "criteria": {"clear": {"verdict": ["right"]}}, "reason": "so it is"}


@pytest.fixture(autouse=True)
def _nothing_was_looked_at():
    queue_lease._looked_at.clear()


def short(judgment, revision, act):
    return save(judgment, revision, act, asked_of(judgment.dataset, 2), leasing=True)


def long(judgment, revision, act):
    changed = record(judgment, revision, act.verdict, act.said, act.seconds, act.flag)
    return Done(changed, None, another(judgment.annotator, judgment.dataset) if changed else None)


# --- what there is before, each with the judgment to answer -----------------------------------------------------------


def plain(dataset, alice, bob):
    return next_judgment(alice, dataset)


def with_some_kept_ready(dataset, alice, bob):
    first = next_judgment(alice, dataset)
    next_judgment(alice, dataset, [first.pk])
    return first


def with_all_kept_ready(dataset, alice, bob):
    Dataset.objects.filter(pk=dataset.pk).update(kept_ready=1)
    dataset.kept_ready = 1
    have = [next_judgment(alice, dataset)]
    have.append(next_judgment(alice, dataset, [have[0].pk]))
    comparison = Comparison.objects.filter(dataset=dataset).exclude(judgments__in=have).earliest("pk")
    order = comparison.response_ids
    lease = {"leased_at": timezone.now(), "lease_until": timezone.now() + timedelta(minutes=30)}
    Judgment.objects.create(comparison=comparison, dataset=dataset, annotator=alice, order=order, **lease)
    Comparison.objects.filter(pk=comparison.pk).update(open_slots=1)
    return have[0]


def with_leases_half_over(dataset, alice, bob):
    first = with_some_kept_ready(dataset, alice, bob)
    Judgment.objects.filter(dataset=dataset).update(lease_until=timezone.now() + timedelta(minutes=10))
    return first


def saved_before(dataset, alice, bob):
    judgment = next_judgment(alice, dataset)
    record(judgment, 0, "tie", TIED)
    return judgment


def run_out(dataset, alice, bob):
    judgment = next_judgment(alice, dataset)
    lapse(judgment)
    return judgment


def run_out_and_back(dataset, alice, bob):
    judgment = run_out(dataset, alice, bob)
    queue_lease.give_back(dataset)
    judgment.refresh_from_db()
    return judgment


def run_out_and_surplus(dataset, alice, bob):
    judgment = run_out_and_back(dataset, alice, bob)
    Comparison.objects.filter(pk=judgment.comparison_id).update(wanted=1, open_slots=1)
    record(next_judgment(bob, dataset), 0, "tie", TIED)
    return judgment


def run_out_of_another(dataset, alice, bob):
    judgment = next_judgment(alice, dataset)
    lapse(next_judgment(bob, dataset))
    return judgment


def reopened(dataset, alice, bob):
    judgment = saved_before(dataset, alice, bob)
    assert undo(judgment, 1)
    judgment.refresh_from_db()
    return judgment


def nothing_left(dataset, alice, bob):
    judgment = next_judgment(alice, dataset)
    Comparison.objects.filter(dataset=dataset).exclude(pk=judgment.comparison_id).update(open_slots=0, wanted=0)
    return judgment


def barred_from_the_next(dataset, alice, bob):
    judgment = next_judgment(alice, dataset)
    Comparison.objects.filter(dataset=dataset).exclude(pk=judgment.comparison_id).earliest("pk").barred.add(alice)
    return judgment


def skipped_the_next(dataset, alice, bob):
    record(next_judgment(alice, dataset), 0, "skip")
    judgment = next_judgment(alice, dataset)
    Membership.objects.filter(user=alice).update(priority=-1, position=-1)
    return judgment


def skipped_a_day_ago(dataset, alice, bob):
    judgment = skipped_the_next(dataset, alice, bob)
    Judgment.objects.filter(state="skipped").update(decided_at=timezone.now() - timedelta(days=1, minutes=1))
    return judgment


def flagged_meanwhile(dataset, alice, bob):
    judgment = next_judgment(alice, dataset)
    record(next_judgment(bob, dataset), 0, "flag", flag="leak")
    return judgment


def back_behind(dataset, alice, bob):
    judgment = next_judgment(alice, dataset)
    Membership.objects.filter(user=alice).update(priority=10, position=2**40)
    return judgment


def paused(dataset, alice, bob):
    judgment = next_judgment(alice, dataset)
    Dataset.objects.filter(pk=dataset.pk).update(state="paused")
    dataset.state = judgment.dataset.state = "paused"
    return judgment


def the_person_is_paused(dataset, alice, bob):
    """Their lease is not given back yet."""
    judgment = next_judgment(alice, dataset)
    Membership.objects.filter(user=alice, dataset=dataset).update(paused_at=timezone.now())
    return judgment


# (what there is, how far the form's revision is off, verdict, whether the short way does it)
SCENARIOS = [
    (plain, 0, "left", True), (plain, 0, "tie", True), (plain, 0, "both_bad", True), (plain, 0, "skip", False),
    (plain, 0, "flag", False), (plain, 0, "keep", False), (plain, 1, "left", False),
    (saved_before, 0, "left", False), (saved_before, -1, "left", False),
    (run_out, 0, "right", False), (run_out_and_back, 0, "right", False), (run_out_and_surplus, 0, "right", False),
    (run_out_of_another, 0, "left", False), (reopened, 0, "right", False), (reopened, 0, "keep", False),
    (reopened, 0, "skip", False), (with_some_kept_ready, 0, "left", True), (with_all_kept_ready, 0, "left", True),
    (with_leases_half_over, 0, "left", True), (with_leases_half_over, 0, "skip", False),
    (nothing_left, 0, "left", True), (barred_from_the_next, 0, "left", True), (skipped_the_next, 0, "left", True),
    (skipped_a_day_ago, 0, "left", True), (flagged_meanwhile, 0, "left", True), (back_behind, 0, "left", True),
    (paused, 0, "left", False), (the_person_is_paused, 0, "left", True),
]  # fmt: skip


def left_behind(dataset):
    """Every row that an act touches, in words that do not depend on ids."""
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


def recount_holds(dataset):
    """Whether `judged` of each person is what a count of their standing verdicts gives."""
    votes = Judgment.objects.votes().filter(dataset=dataset)
    counted = Counter(votes.values_list("annotator", flat=True))
    return all(m.judged == counted[m.user_id] for m in Membership.objects.filter(dataset=dataset))


def acted(make_dataset, way, arrange, off, verdict, *people):
    """(what came of the act, all that it left behind) of a scenario in a dataset of its own."""
    dataset = make_dataset(wide(5), slug=way.__name__, **SETTINGS)
    for n, comparison in enumerate(Comparison.objects.filter(dataset=dataset).order_by("pk")):
        Comparison.objects.filter(pk=comparison.pk).update(priority=n)
    judgment = arrange(dataset, *people)
    judgment.order = sorted(judgment.order)
    Judgment.objects.filter(pk=judgment.pk).update(order=judgment.order)
    said = {} if verdict in ("skip", "keep", "flag") else SAID
    judgment = judgment_of(people[0], dataset, judgment.pk)
    done = way(judgment, judgment.revision + off, Act(verdict, said, 7.0, "unsafe" if verdict == "flag" else ""))
    assert recount_holds(dataset)
    assert counters_hold(dataset)
    return done, left_behind(dataset)


@pytest.mark.parametrize(("arrange", "off", "verdict", "is_short"), SCENARIOS)
def test_both_ways_leave_the_same_behind(make_dataset, alice, bob, arrange, off, verdict, is_short):
    done, rows = acted(make_dataset, short, arrange, off, verdict, alice, bob)
    other, other_rows = acted(make_dataset, long, arrange, off, verdict, alice, bob)
    assert rows == other_rows
    assert (done.changed, bool(done.next)) == (other.changed, bool(other.next))
    assert (done.judged is not None) == is_short
    if is_short:
        assert done.judged == Membership.objects.get(user=alice, dataset__slug="short").judged


@pytest.mark.parametrize("seconds", [None, 7.0])
@pytest.mark.parametrize("way", [short, long])
def test_a_clock_that_is_set_back_leaves_no_time_below_zero(make_dataset, alice, way, seconds):
    dataset = make_dataset(wide(2), **SETTINGS)
    judgment = next_judgment(alice, dataset)
    Judgment.objects.update(leased_at=timezone.now() + timedelta(hours=3))
    assert way(judgment_of(alice, dataset, judgment.pk), 0, Act("left", SAID, seconds)).changed
    assert Judgment.objects.get(pk=judgment.pk).seconds == 0


@pytest.mark.parametrize(("arrange", "expected"), [(plain, True), (nothing_left, False), (with_all_kept_ready, False)])
def test_what_was_leased_stands_in_the_database_as_it_is_told(make_dataset, alice, bob, arrange, expected):
    done, _ = acted(make_dataset, short, arrange, 0, "left", alice, bob)
    assert bool(done.next) == expected
    if expected:
        stands = Judgment.objects.get(pk=done.next.pk)
        for name in ("order", "state", "revision", "verdict", "lease_until", "comparison_id", "dataset_id"):
            assert getattr(stands, name) == getattr(done.next, name)
        assert sorted(stands.order) == stands.comparison.response_ids
        assert done.next.comparison.prompt_id == stands.comparison.prompt_id


def test_the_judgment_of_another_person_or_dataset_is_none(make_dataset, alice, bob):
    dataset, other = make_dataset(wide(1)), make_dataset(wide(1), slug="other")
    judgment = next_judgment(alice, dataset)
    assert judgment_of(alice, dataset, judgment.pk) == judgment
    for person_, where, pk in ((bob, dataset, judgment.pk), (alice, other, judgment.pk), (alice, dataset, 2**70)):
        assert judgment_of(person_, where, pk) is None


def test_answers_that_were_sent_along_untouched_take_the_short_way(make_dataset, alice):
    dataset = make_dataset(wide(2), allow_repair=True)
    judgment = judgment_of(alice, dataset, next_judgment(alice, dataset).pk)
    texts = Response.objects.in_bulk(judgment.order)
    repairs = {side: texts[pk].text for side, pk in zip(("left", "right"), judgment.order, strict=True)}
    assert short(judgment, 0, Act("left", {"repairs": repairs})).judged == 1
    assert Judgment.objects.get(pk=judgment.pk).said == {}


def test_times_below_zero_that_an_older_version_stored_are_repaired(make_dataset, alice):
    judgment = next_judgment(alice, make_dataset(wide(1)))
    for stored, repaired in ((-10_799.9, 0), (3.5, 3.5), (None, None)):
        Judgment.objects.update(seconds=stored)
        importlib.import_module("annotate.migrations.0007_no_negative_seconds").repair(apps, None)
        assert Judgment.objects.get(pk=judgment.pk).seconds == repaired

"""Active selection: judgments decide the order of the queue and which comparisons are certain."""

import pytest

from analyze import queue_order
from annotate.judging.forms import Submission
from annotate.judging.question_spec import build_spec
from annotate.judging.record import STEER_INTERVAL, record, save
from annotate.models import Membership
from annotate.queue.fast_path import find_judgment
from annotate.queue.lease import lease_next
from datasets.jobs import worker
from datasets.judgments.progress import count_progress
from datasets.models import Comparison, Dataset, Job
from tests.conftest import create_person
from tests.test_queue import has_right_counters

SOURCES = ("strong", "middling", "same", "weak")


def build_rows(n):
    """n prompts with one answer per source."""
    return [
        {"prompt": f"Why {i}?", "responses": [{"model": name, "text": f"{name} says {i}"} for name in SOURCES]}
        for i in range(n)
    ]


def judge(user, dataset, most=1000):
    """Judges by the sources' names: strong is best, weak is worst, the other two are equal."""
    place = {"strong": 2, "middling": 1, "same": 1, "weak": 0}
    for turn in range(most):
        judgment = lease_next(user, dataset)
        if judgment is None:
            return
        texts = dict(judgment.comparison.prompt.responses.values_list("pk", "source"))
        left, right = (place[texts[pk]] for pk in judgment.order)
        even = ("left", "right")[turn % 2]
        record(judgment, judgment.revision, even if left == right else "left" if left > right else "right")


@pytest.fixture
def steered(make_dataset):
    return make_dataset(build_rows(12), order="informative", overlap=2)


def list_sources(comparison):
    return set(comparison.prompt.responses.filter(pk__in=comparison.response_ids).values_list("source", flat=True))


def test_what_nobody_can_foretell_comes_first(steered, alice):
    judge(alice, steered, 40)
    moved, _sure = queue_order.steer(steered)
    assert moved
    order = list(Comparison.objects.open().filter(dataset=steered).order_by("priority").select_related("prompt"))
    front, back = order[: len(order) // 4], order[-len(order) // 4 :]
    alike = [sum(list_sources(one) == {"middling", "same"} for one in part) for part in (front, back)]
    assert alike[0] > alike[1]
    assert not any(list_sources(one) == {"strong", "weak"} for one in front)
    assert queue_order.steer(steered)[0] == 0, "the same judgments give the same order"


def test_people_begin_again_at_the_front_and_nobody_twice(steered, alice, bob):
    judge(alice, steered, 30)
    queue_order.steer(steered)
    assert set(Membership.objects.values_list("position", flat=True)) == {-1}
    judge(alice, steered)
    judge(bob, steered)
    assert not Comparison.objects.open().exists()
    assert has_right_counters(steered)


def test_within_a_level_the_drawn_numbers_stay(steered, alice):
    before = dict(Comparison.objects.values_list("pk", "priority"))
    judge(alice, steered, 30)
    queue_order.steer(steered)
    after = dict(Comparison.objects.values_list("pk", "priority"))
    assert {pk: number % queue_order.LEVEL_SIZE for pk, number in before.items()} == {
        pk: number % queue_order.LEVEL_SIZE for pk, number in after.items()
    }
    assert all(0 <= number < 2**62 for number in after.values())


def test_without_a_judgment_the_order_is_the_drawn_one(steered):
    assert queue_order.steer(steered)[1] == 0
    assert lease_next(create_person("first"), steered)


def test_what_is_sure_is_asked_no_more_and_counts_as_done(make_dataset):
    dataset = make_dataset(build_rows(6), overlap=5, stop_when_sure=True)
    for n in range(3):
        judge(create_person(f"p{n}"), dataset)
    wanted = count_progress(dataset).total
    assert count_progress(dataset).done == 0
    _moved, sure = queue_order.steer(dataset)
    assert 0 < sure < wanted, "whose votes are split is not sure"
    assert count_progress(dataset).done == sure
    assert count_progress(dataset).total == wanted
    held = Comparison.objects.filter(held="sure").select_related("prompt")
    assert not any(list_sources(one) == {"middling", "same"} for one in held if len(set(list_votes(one))) > 1)
    Dataset.objects.update(stop_when_sure=False)
    dataset.refresh_from_db()
    queue_order.steer(dataset)
    assert not Comparison.objects.filter(held="sure").exists()
    assert has_right_counters(dataset)


def list_votes(comparison):
    return list(comparison.judgments.filter(state="saved").values_list("choices__chosen", flat=True))


@pytest.mark.django_db(transaction=True)
def test_the_order_follows_by_itself_while_people_judge(steered, alice):
    judgment = lease_next(alice, steered)
    for _ in range(STEER_INTERVAL):
        save(find_judgment(alice, steered, judgment.pk), 0, Submission("left"), build_spec(steered, 2), leasing=True)
        judgment = lease_next(alice, steered)
    assert Job.objects.filter(kind="analysis", dataset=steered).count() == 1
    worker.work_until_idle()
    assert Job.objects.get().state == "done"
    assert steered.report.numbers["judgments"] == STEER_INTERVAL


def test_an_ordinary_dataset_starts_no_task(make_dataset, alice):
    dataset = make_dataset(build_rows(6))
    judgment = lease_next(alice, dataset)
    for _ in range(STEER_INTERVAL):
        save(find_judgment(alice, dataset, judgment.pk), 0, Submission("left"), build_spec(dataset, 2), leasing=True)
        judgment = lease_next(alice, dataset)
    assert not Job.objects.exists()

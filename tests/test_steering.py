"""What is asked next, decided by what was judged: the order of the queue, and comparisons that are sure."""

import pytest

from analyze import queue_order
from annotate.judging.forms import Act
from annotate.judging.question_spec import asked_of
from annotate.judging.record import STEERED_EVERY, record, save
from annotate.models import Membership
from annotate.queue.fast_path import judgment_of
from annotate.queue.lease import next_judgment
from datasets.jobs import worker
from datasets.judgments.progress import progress
from datasets.models import Comparison, Dataset, Job
from tests.conftest import person
from tests.test_queue import counters_hold

SOURCES = ("strong", "middling", "same", "weak")


def rows(n):
    """n prompts with an answer of each source."""
    return [
        {"prompt": f"Why {i}?", "responses": [{"model": name, "text": f"{name} says {i}"} for name in SOURCES]}
        for i in range(n)
    ]


def judge(user, dataset, most=1000):
    """Judge as the sources' names say: strong is best, weak is worst, the other two are alike."""
    place = {"strong": 2, "middling": 1, "same": 1, "weak": 0}
    for turn in range(most):
        judgment = next_judgment(user, dataset)
        if judgment is None:
            return
        texts = dict(judgment.comparison.prompt.responses.values_list("pk", "source"))
        left, right = (place[texts[pk]] for pk in judgment.order)
        even = ("left", "right")[turn % 2]
        record(judgment, judgment.revision, even if left == right else "left" if left > right else "right")


@pytest.fixture
def steered(make_dataset):
    return make_dataset(rows(12), order="informative", overlap=2)


def sources_of(comparison):
    return set(comparison.prompt.responses.filter(pk__in=comparison.response_ids).values_list("source", flat=True))


def test_what_nobody_can_foretell_comes_first(steered, alice):
    judge(alice, steered, 40)
    moved, _sure = queue_order.steer(steered)
    assert moved
    order = list(Comparison.objects.open().filter(dataset=steered).order_by("priority").select_related("prompt"))
    front, back = order[: len(order) // 4], order[-len(order) // 4 :]
    alike = [sum(sources_of(one) == {"middling", "same"} for one in part) for part in (front, back)]
    assert alike[0] > alike[1]
    assert not any(sources_of(one) == {"strong", "weak"} for one in front)
    assert queue_order.steer(steered)[0] == 0, "the same judgments give the same order"


def test_people_begin_again_at_the_front_and_nobody_twice(steered, alice, bob):
    judge(alice, steered, 30)
    queue_order.steer(steered)
    assert set(Membership.objects.values_list("position", flat=True)) == {-1}
    judge(alice, steered)
    judge(bob, steered)
    assert not Comparison.objects.open().exists()
    assert counters_hold(steered)


def test_within_a_level_the_drawn_numbers_stay(steered, alice):
    before = dict(Comparison.objects.values_list("pk", "priority"))
    judge(alice, steered, 30)
    queue_order.steer(steered)
    after = dict(Comparison.objects.values_list("pk", "priority"))
    assert {pk: number % queue_order.BELOW for pk, number in before.items()} == {
        pk: number % queue_order.BELOW for pk, number in after.items()
    }
    assert all(0 <= number < 2**62 for number in after.values())


def test_without_a_judgment_the_order_is_the_drawn_one(steered):
    assert queue_order.steer(steered)[1] == 0
    assert next_judgment(person("first"), steered)


def test_what_is_sure_is_asked_no_more_and_counts_as_done(make_dataset):
    dataset = make_dataset(rows(6), overlap=5, stop_when_sure=True)
    for n in range(3):
        judge(person(f"p{n}"), dataset)
    wanted = progress(dataset).total
    assert progress(dataset).done == 0
    _moved, sure = queue_order.steer(dataset)
    assert 0 < sure < wanted, "whose votes are split is not sure"
    assert progress(dataset).done == sure
    assert progress(dataset).total == wanted
    held = Comparison.objects.filter(held="sure").select_related("prompt")
    assert not any(sources_of(one) == {"middling", "same"} for one in held if len(set(votes_on(one))) > 1)
    Dataset.objects.update(stop_when_sure=False)
    dataset.refresh_from_db()
    queue_order.steer(dataset)
    assert not Comparison.objects.filter(held="sure").exists()
    assert counters_hold(dataset)


def votes_on(comparison):
    return list(comparison.judgments.filter(state="saved").values_list("choices__chosen", flat=True))


@pytest.mark.django_db(transaction=True)
def test_the_order_follows_by_itself_while_people_judge(steered, alice):
    judgment = next_judgment(alice, steered)
    for _ in range(STEERED_EVERY):
        save(judgment_of(alice, steered, judgment.pk), 0, Act("left"), asked_of(steered, 2), leasing=True)
        judgment = next_judgment(alice, steered)
    assert Job.objects.filter(kind="analysis", dataset=steered).count() == 1
    worker.work(until_idle=True)
    assert Job.objects.get().state == "done"
    assert steered.report.numbers["judgments"] == STEERED_EVERY


def test_an_ordinary_dataset_starts_no_task(make_dataset, alice):
    dataset = make_dataset(rows(6))
    judgment = next_judgment(alice, dataset)
    for _ in range(STEERED_EVERY):
        save(judgment_of(alice, dataset, judgment.pk), 0, Act("left"), asked_of(dataset, 2), leasing=True)
        judgment = next_judgment(alice, dataset)
    assert not Job.objects.exists()

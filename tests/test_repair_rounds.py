"""Repair rounds: if all answers are bad, other people are asked for a better one."""

import pytest

from annotate.judging.record import record, undo
from annotate.queue.lease import lease_next
from datasets.models import Comparison, Response
from tests.conftest import build_rows
from tests.test_judging_page import Judge
from tests.test_queue import has_right_counters


@pytest.fixture
def both_bad(make_dataset, alice):
    """both_bad(**settings): (a dataset of one comparison, alice's verdict that all its answers are bad)"""

    def judge(**settings):
        dataset = make_dataset(build_rows(1), repair_round=True, **settings)
        judgment = lease_next(alice, dataset)
        assert record(judgment, 0, "both_bad")
        return dataset, judgment

    return judge


def list_rounds():
    return Comparison.objects.filter(task="repair")


def test_other_people_are_asked_never_who_said_so(both_bad, client, alice, bob):
    dataset, judgment = both_bad()
    assert lease_next(alice, dataset) is None
    asked = lease_next(bob, dataset)
    assert asked.comparison.task == "repair"
    assert sorted(asked.order) == sorted(judgment.order)
    page = Judge(client, bob).look()
    assert set(page.read_verdicts()) == {"repair", "skip"}
    assert [field["name"] for field in page.page.find_all("textarea")] == ["repair_new"]


def test_what_is_written_is_better_than_each_of_them(both_bad, client, bob):
    _, judgment = both_bad()
    page = Judge(client, bob).look()
    asked = page.judgment
    page.press("repair", repair_new="At last\r\n good")
    written = Response.objects.get(source="repair")
    assert (written.text, list(written.writers.all())) == ("At last\n good", [bob])
    assert set(asked.choices.values_list("chosen", "rejected", "strength")) == {
        (written.pk, pk, 1) for pk in judgment.order
    }
    assert not asked.ratings.exists()
    assert has_right_counters(asked.dataset)


@pytest.mark.parametrize("text", ["", "  \r\n"])
def test_nothing_written_is_refused(both_bad, client, bob, text):
    both_bad()
    page = Judge(client, bob).look()
    page.press("repair", repair_new=text)
    assert (page.answer.status_code, page.read_messages()) == (422, ["Write a better answer first."])


@pytest.mark.parametrize("verdict", ["left", "tie", "both_bad", "rank"])
def test_no_other_verdict_is_taken(both_bad, client, bob, verdict):
    both_bad()
    page = Judge(client, bob).look()
    page.press(verdict, repair_new="x")
    assert page.answer.status_code == 422


def test_no_reason_is_asked_for(both_bad, client, bob):
    both_bad(reasons="required", criteria=[{"name": "clear", "guideline": ""}], with_stars=True)
    page = Judge(client, bob).look()
    judgment = page.judgment
    page.press("repair", repair_new="x")
    judgment.refresh_from_db()
    assert judgment.verdict == "repair"


@pytest.mark.parametrize("allow_skip", [True, False])
@pytest.mark.parametrize("allow_flag", [True, False])
def test_one_can_always_pass_it_on_and_flag_it_where_that_is_allowed(both_bad, client, bob, allow_skip, allow_flag):
    both_bad(allow_skip=allow_skip, allow_flag=allow_flag)
    page = Judge(client, bob).look()
    assert page.read_verdicts().count("skip") == 1
    assert page.read_verdicts().count("flag") == allow_flag
    judgment = page.judgment
    page.press("flag", flag="unclear")
    judgment.refresh_from_db()
    assert (judgment.state, judgment.flag) == (("skipped", "unclear") if allow_flag else ("leased", ""))


def test_a_skipped_round_goes_to_somebody_else(both_bad, bob, charlie):
    dataset, _ = both_bad()
    asked = lease_next(bob, dataset)
    record(asked, 0, "skip")
    assert lease_next(bob, dataset) is None
    assert lease_next(charlie, dataset).comparison_id == asked.comparison_id


def test_two_who_say_so_make_one_round_and_neither_is_given_it(make_dataset, alice, bob, charlie):
    dataset = make_dataset(build_rows(1), repair_round=True, overlap=2)
    for judgment in [lease_next(person, dataset) for person in (alice, bob)]:
        record(judgment, 0, "both_bad")
    assert list_rounds().count() == 1
    assert [lease_next(person, dataset) for person in (alice, bob)] == [None, None]
    assert lease_next(charlie, dataset).comparison == list_rounds().get()


@pytest.mark.parametrize("verdict", ["left", "skip", "tie"])
def test_who_no_longer_says_so_closes_a_round_that_nobody_began(both_bad, verdict):
    _, judgment = both_bad()
    undo(judgment, 1)
    assert list_rounds().count() == 1, "the verdict stands until it is replaced"
    record(judgment, 1, verdict)
    assert list_rounds().count() == 0


def test_said_again_the_round_stays(both_bad, alice, bob):
    dataset, judgment = both_bad()
    undo(judgment, 1)
    record(judgment, 1, "both_bad")
    assert lease_next(alice, dataset) is None
    assert lease_next(bob, dataset).comparison == list_rounds().get()


def test_a_round_that_somebody_began_stays(both_bad, bob):
    dataset, judgment = both_bad()
    asked = lease_next(bob, dataset)
    undo(judgment, 1)
    record(judgment, 1, "left")
    assert record(asked, 0, "repair", {"repairs": {"new": "x"}})
    assert asked.choices.count() == 2


def test_a_round_that_another_asks_for_stays(make_dataset, alice, bob):
    dataset = make_dataset(build_rows(1), repair_round=True, overlap=2)
    judgments = [lease_next(person, dataset) for person in (alice, bob)]
    for judgment in judgments:
        record(judgment, 0, "both_bad")
    undo(judgments[0], 1)
    record(judgments[0], 1, "left")
    assert list(list_rounds().get().barred.all()) == [bob]


def test_without_the_setting_both_bad_asks_nobody(make_dataset, alice):
    record(lease_next(alice, make_dataset(build_rows(1))), 0, "both_bad")
    assert not list_rounds().exists()


def test_a_round_is_told_from_a_verdict_in_undo(both_bad, client, bob):
    both_bad()
    page = Judge(client, bob).look()
    judgment = page.judgment
    page.press("repair", repair_new="First").undo()
    assert page.status_texts == ["Your previous answer: Rewritten. Change it, or keep it."]
    assert ("repair_new", "First") in page.list_entries()
    page.press("repair", repair_new="Second")
    assert set(judgment.choices.values_list("chosen__text", flat=True)) == {"Second"}
    assert Response.objects.filter(source="repair").count() == 1

"""Flagging a comparison from its page: nobody gets it until an admin decides or the flag is undone."""

import pytest

from annotate.queue.lease import lease_next
from datasets.models import Comparison, Judgment
from tests.conftest import build_rows
from tests.test_judging_page import HTMX, Judge
from tests.test_queue import has_right_counters


@pytest.fixture
def at_work(client, alice, make_dataset):
    """at_work(**settings): alice on the page of a comparison that may be flagged."""

    def begin(**settings):
        make_dataset(build_rows(1), allow_flag=True, **settings)
        return Judge(client, alice).look()

    return begin


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize("said", [{}, {"flag": ""}, {"flag": "invented"}, {"note": "no reason chosen"}])
def test_a_flag_needs_a_reason(at_work, said, headers):
    page = at_work(reasons="optional", with_stars=True)
    page.press("flag", headers, reason="typed already", stars_left=3, **said)
    assert page.answer.status_code == 422
    assert page.read_messages()
    kept = {
        ("reason", "typed already"),
        ("stars_left", "3"),
        *((name, text) for name, text in said.items() if name == "note"),
    }
    assert kept <= set(page.list_entries())
    assert list(Judgment.objects.values_list("state", "flag")) == [("leased", "")]


def test_a_flagged_comparison_is_held_and_given_to_nobody(at_work, bob):
    page = at_work(overlap=2)
    judgment = page.judgment
    page.press("flag", flag="leak", note="It says “as GPT”.")
    judgment.refresh_from_db()
    assert (judgment.state, judgment.flag, judgment.said, judgment.verdict) == (
        "skipped",
        "leak",
        {"note": "It says “as GPT”."},
        "",
    )
    assert Comparison.objects.get().held == "flagged"
    assert lease_next(bob, judgment.dataset) is None
    assert has_right_counters(judgment.dataset)


def test_undo_releases_it_and_it_is_before_the_person_again(at_work, bob):
    page = at_work(overlap=2)
    judgment, shown = page.judgment, page.read_answers()
    page.press("flag", flag="unsafe").undo()
    assert (page.judgment, page.read_answers(), Comparison.objects.get().held) == (judgment, shown, "")
    assert lease_next(bob, judgment.dataset)
    page.press("left")
    judgment.refresh_from_db()
    assert (judgment.state, judgment.flag) == ("saved", "")
    assert has_right_counters(judgment.dataset)


def test_a_second_flag_keeps_it_held_when_the_first_is_undone(at_work, bob, client):
    page = at_work(overlap=2)
    theirs = lease_next(bob, page.judgment.dataset)
    page.press("flag", flag="leak")
    Judge(client, bob).look().press("flag", flag="broken")
    again = Judge(client, Judgment.objects.exclude(pk=theirs.pk).get().annotator)
    assert not again.look().undo_forms
    assert Comparison.objects.get().held == "flagged"


def test_who_has_it_in_hand_may_still_judge_it(at_work, bob, client):
    page = at_work(overlap=2)
    theirs = lease_next(bob, page.judgment.dataset)
    page.press("flag", flag="leak")
    Judge(client, bob).look().press("left")
    theirs.refresh_from_db()
    assert (theirs.state, theirs.surplus) == ("saved", False)
    assert Comparison.objects.get().held == "flagged"


def test_where_flags_are_off_none_is_taken(client, alice, make_dataset):
    make_dataset(build_rows(1))
    page = Judge(client, alice).look()
    page.press("flag", flag="leak")
    assert page.answer.status_code == 422
    assert Comparison.objects.get().held == ""


def test_an_old_form_hears_that_it_was_flagged(at_work):
    page = at_work()
    sent = dict(page.list_entries())
    page.press("flag", flag="leak")
    page.send(page.address, sent | {"verdict": "left"})
    assert page.read_messages() == ["Already saved: Flagged."]


def test_a_reopened_verdict_that_is_flagged_is_withdrawn(at_work):
    page = at_work()
    judgment = page.judgment
    page.press("left").undo().press("flag", flag="broken")
    judgment.refresh_from_db()
    assert (judgment.state, judgment.choices.count(), Comparison.objects.get().held) == ("skipped", 0, "flagged")
    assert judgment.annotator.membership_set.get().judged == 0

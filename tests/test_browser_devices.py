"""One person at several places: two devices, two tabs, the back button, a long lunch, a session that ends, the past."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from annotate.judging.record import record
from annotate.queue.lease import next_judgment
from datasets.models import Judgment
from tests.browsing import (
    PAGE,
    answers,
    arrive,
    button,
    changed,
    excused,
    judged,
    kept,
    last,
    press,
    ready,
    sent,
    sign_in,
    until,
    verdicts,
)
from tests.conftest import wide

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def saved_once():
    """Whether each comparison has one judgment of alice, saved at its first revision."""
    saved = Judgment.objects.filter(state="saved", annotator__username="alice")
    return saved.count() == saved.values("comparison").distinct().count() == saved.filter(revision=1).count()


# --- two devices ------------------------------------------------------------------------------------------------------


def test_on_two_devices_at_once_no_judgment_is_lost_or_doubled(at_work, elsewhere, alice):
    other = elsewhere(alice)
    ready(at_work), ready(other)
    assert answers(other) == answers(at_work)
    press(at_work, "Digit1")
    judged(at_work, 1)
    press(other, "Digit2")
    expect(other.get_by_text("That one was saved before: A is better.")).to_be_visible()
    for page in (other, at_work, other, at_work):
        press(page, "Digit1")
        press(page, "Digit1")
        sent(page)
    assert saved_once()
    n = Judgment.objects.filter(state="saved").count()
    for page in (at_work, other):
        page.reload()
        judged(page, n)
    while at_work.locator("[data-comparison]").count():
        ready(at_work, 0) if n == 12 else None
        press(at_work, "Digit2")
        sent(at_work)
        until(at_work, "() => document.querySelector('[data-comparison], [data-all-done]')")
    kept(12, state="saved")
    assert saved_once()


def test_ten_can_be_undone_on_another_device(enter, elsewhere, alice, make_dataset):
    dataset = make_dataset(wide(13))
    page = enter(alice)
    ready(page)
    for n in range(1, 12):
        press(page, "Digit1")
        judged(page, n)
    other = elsewhere(alice)
    expect(button(other, "Undo")).to_be_visible()
    for n in range(1, 11):
        before = other.evaluate("() => keyOf(shown)")
        press(other, "KeyU")
        kept(n, state="reopened")
        until(other, f"() => shown && keyOf(shown) !== '{before}'")
        expect(other.get_by_text("You judged this one: A is better.")).to_be_visible()
    expect(button(other, "Undo")).to_be_hidden()
    press(other, "KeyU")
    for n in range(10):
        press(other, "KeyK" if n % 2 else "Digit2")
        kept(2 + n, state="saved")
    assert dataset.judgments.filter(state="reopened").count() == 0
    assert sorted(verdicts()) == ["left"] * 6 + ["right"] * 5


def test_a_verdict_of_the_past_is_looked_at_and_replaced(at_work):
    shown = answers(at_work)
    press(at_work, "Digit1")
    judged(at_work, 1)
    press(at_work, "KeyB")
    judged(at_work, 2)
    at_work.get_by_role("link", name="History").click()
    rows = at_work.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("Both bad")
    rows.nth(1).get_by_role("link").click()
    expect(at_work.get_by_role("heading", name="You said: A is better")).to_be_visible()
    assert at_work.locator(".answer .text").all_inner_texts() == shown
    button(at_work, "Judge it again").click()
    arrive(at_work)
    expect(at_work.get_by_text("You judged this one: A is better.")).to_be_visible()
    assert answers(at_work) == shown
    assert sorted(verdicts()) == ["both_bad"], "the other is open again"
    press(at_work, "Digit2")
    judged(at_work, 2)
    assert sorted(verdicts()) == ["both_bad", "right"]
    assert Judgment.objects.get(verdict="right").choices.count() == 1


# --- two tabs ---------------------------------------------------------------------------------------------------------


def test_two_tabs_share_what_waits_and_send_it_once(at_work, context, troubles):
    other = context.new_page()
    other.goto(PAGE)
    ready(at_work), ready(other)
    context.set_offline(True)
    press(at_work, "Digit1", "Digit2")
    for page in (at_work, other):
        expect(page.locator("#unsent [data-said=waiting] b")).to_have_text("2")
    press(other, "Digit0")
    expect(at_work.locator("#unsent [data-said=waiting] b")).to_have_text("2")
    context.set_offline(False)
    sent(at_work), sent(other)
    kept(2, state="saved")
    assert sorted(verdicts()) == ["right", "tie"], "of two verdicts on the same one, the later"
    assert set(Judgment.objects.filter(state="saved").values_list("revision", flat=True)) == {1}
    assert saved_once()
    excused(troubles, "INTERNET_DISCONNECTED")


# --- back -------------------------------------------------------------------------------------------------------------


def test_back_from_another_page_shows_what_stands_now(at_work):
    press(at_work, "Digit1")
    judged(at_work, 1)
    shown = answers(at_work)
    at_work.get_by_role("link", name="History").click()
    expect(at_work.get_by_role("heading", name="what you judged")).to_be_visible()
    at_work.go_back()
    arrive(at_work)
    judged(at_work, 1)
    assert answers(at_work) == shown
    press(at_work, "Digit2")
    judged(at_work, 2)
    assert saved_once()


def test_who_leaves_a_page_with_typed_text_is_asked_first(enter, alice, make_dataset):
    make_dataset(wide(3), reasons="optional")
    page = enter(alice)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.get_by_placeholder("in your own words").press_sequentially("so")
    page.get_by_role("link", name="History").click()
    expect(page.get_by_placeholder("in your own words")).to_have_value("so")
    assert asked == ["beforeunload"]
    page.get_by_placeholder("in your own words").press("Escape")
    press(page, "Digit1")
    judged(page, 1)
    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("heading", name="what you judged")).to_be_visible()
    assert asked == ["beforeunload"]


# --- time goes by -----------------------------------------------------------------------------------------------------


def test_verdicts_after_a_long_lunch_are_kept(at_work, alice, bob, pairs):
    ready(at_work)
    mine = Judgment.objects.filter(annotator=alice, state="leased")
    assert mine.update(lease_until=timezone.now() - timedelta(hours=1)) == 5
    theirs = next_judgment(bob, pairs)
    assert theirs.comparison_id in mine.model.objects.filter(annotator=alice).values_list("comparison", flat=True)
    record(theirs, 0, "right")
    for n in range(1, 6):
        press(at_work, "Digit1")
        sent(at_work)
        kept(n, state="saved", annotator=alice)
    assert Judgment.objects.get(annotator=alice, surplus=True).comparison == theirs.comparison
    assert saved_once()
    assert Judgment.objects.get(annotator=bob).verdict == "right"


def test_a_session_that_ends_while_one_types_loses_nothing(enter, context, alice, make_dataset):
    make_dataset(wide(6), reasons="required", with_stars=True)
    page = enter(alice)
    press(page, "Digit4", "Digit2", "Digit1")
    page.get_by_placeholder("in your own words").fill("多写几个字。")
    context.clear_cookies(name="sessionid")
    shown = answers(page)
    press(page, "Enter")
    changed(page, shown)
    expect(page.get_by_role("alert")).to_contain_text("You have been signed out.")
    assert verdicts() == []
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("alert").get_by_role("link", name="Sign in").click()
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password").fill("demo")
    button(page, "Sign in").click()
    arrive(page)
    judged(page, 1)
    assert last() == ("left", {"stars": [4, 2], "reason": "多写几个字。"})


def test_who_signs_in_again_in_another_tab_goes_on_in_the_first(at_work, context, enter, alice, live_server):
    ready(at_work)
    context.clear_cookies(name="sessionid")
    press(at_work, "Digit1")
    expect(at_work.get_by_role("alert")).to_contain_text("You have been signed out.")
    sign_in(context, alice, live_server.url)
    at_work.evaluate("dispatchEvent(new Event('focus'))")
    judged(at_work, 1)
    expect(at_work.get_by_role("alert")).to_be_hidden()

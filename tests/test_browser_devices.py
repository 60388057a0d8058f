"""One person in several places: two devices, two tabs, the back button, a long break, an expired session, history."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from annotate.judging.record import record
from annotate.queue.lease import lease_next
from datasets.models import Judgment
from tests.browsing import (
    PAGE,
    await_change,
    await_judged,
    await_judgments,
    await_page,
    await_ready,
    await_sent,
    excuse,
    find_button,
    get_last,
    list_verdicts,
    press,
    read_answers,
    sign_in,
    wait_for,
)
from tests.conftest import build_rows

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]


def read_judgment(page):
    return page.locator("[data-comparison] [name=judgment]").input_value()


def is_saved_once():
    """Whether each comparison has one judgment by alice, saved at its first revision."""
    saved = Judgment.objects.filter(state="saved", annotator__username="alice")
    return saved.count() == saved.values("comparison").distinct().count() == saved.filter(revision=1).count()


# --- two devices ------------------------------------------------------------------------------------------------------


def test_on_two_devices_at_once_no_judgment_is_lost_or_doubled(at_work, elsewhere, alice):
    other = elsewhere(alice)
    await_ready(at_work), await_ready(other)
    assert read_answers(other) == read_answers(at_work)
    press(at_work, "Digit1")
    await_judged(at_work, 1)
    press(other, "Digit2")
    expect(other.get_by_text("Already saved: A is better.")).to_be_visible()
    for page in (other, at_work, other, at_work):
        press(page, "Digit1")
        press(page, "Digit1")
        await_sent(page)
    assert is_saved_once()
    n = Judgment.objects.filter(state="saved").count()
    for page in (at_work, other):
        page.reload()
        await_judged(page, n)
    while at_work.locator("[data-comparison]").count():
        await_ready(at_work, 0) if n == 12 else None
        press(at_work, "Digit2")
        await_sent(at_work)
        wait_for(at_work, "() => document.querySelector('[data-comparison], [data-all-done]')")
    await_judgments(12, state="saved")
    assert is_saved_once()


def test_ten_can_be_undone_on_another_device(enter, elsewhere, alice, make_dataset):
    dataset = make_dataset(build_rows(13))
    page = enter(alice)
    await_ready(page)
    for n in range(1, 12):
        press(page, "Digit1")
        await_judged(page, n)
    other = elsewhere(alice)
    expect(find_button(other, "Undo")).to_be_visible()
    for n in range(1, 11):
        before = read_judgment(other)
        press(other, "KeyU")
        await_judgments(n, state="reopened")
        expect(other.locator("[data-comparison] [name=judgment]")).not_to_have_value(before)
        expect(other.get_by_text("Your previous answer: A is better.")).to_be_visible()
    expect(find_button(other, "Undo")).to_be_hidden()
    press(other, "KeyU")
    for n in range(10):
        press(other, "KeyK" if n % 2 else "Digit2")
        await_judgments(2 + n, state="saved")
    assert dataset.judgments.filter(state="reopened").count() == 0
    assert sorted(list_verdicts()) == ["left"] * 6 + ["right"] * 5


def test_a_verdict_of_the_past_is_looked_at_and_replaced(at_work):
    shown = read_answers(at_work)
    press(at_work, "Digit1")
    await_judged(at_work, 1)
    press(at_work, "KeyB")
    await_judged(at_work, 2)
    at_work.get_by_role("link", name="History").click()
    rows = at_work.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("Both bad")
    rows.nth(1).get_by_role("link").click()
    expect(at_work.get_by_role("heading", name="My answer: A is better")).to_be_visible()
    assert at_work.locator(".answer .text").all_inner_texts() == shown
    find_button(at_work, "Change").click()
    await_page(at_work)
    expect(at_work.get_by_text("Your previous answer: A is better.")).to_be_visible()
    assert read_answers(at_work) == shown
    assert sorted(list_verdicts()) == ["both_bad"], "the other is open again"
    press(at_work, "Digit2")
    await_judged(at_work, 2)
    assert sorted(list_verdicts()) == ["both_bad", "right"]
    assert Judgment.objects.get(verdict="right").choices.count() == 1


# --- two tabs ---------------------------------------------------------------------------------------------------------


def test_two_tabs_share_what_waits_and_send_it_once(at_work, context, troubles):
    other = context.new_page()
    other.goto(PAGE)
    await_ready(at_work), await_ready(other)
    context.set_offline(True)
    press(at_work, "Digit1", "Digit2")
    for page in (at_work, other):
        expect(page.locator("#unsent [data-said=waiting] b")).to_have_text("2")
    press(other, "Digit0")
    expect(at_work.locator("#unsent [data-said=waiting] b")).to_have_text("2")
    context.set_offline(False)
    await_sent(at_work), await_sent(other)
    await_judgments(2, state="saved")
    assert sorted(list_verdicts()) == ["right", "tie"], "of two verdicts on the same one, the later"
    assert set(Judgment.objects.filter(state="saved").values_list("revision", flat=True)) == {1}
    assert is_saved_once()
    excuse(troubles, "INTERNET_DISCONNECTED")


# --- back -------------------------------------------------------------------------------------------------------------


def test_back_from_another_page_shows_what_stands_now(at_work):
    press(at_work, "Digit1")
    await_judged(at_work, 1)
    shown = read_answers(at_work)
    at_work.get_by_role("link", name="History").click()
    expect(at_work.get_by_role("heading", name="my annotations")).to_be_visible()
    at_work.go_back()
    await_page(at_work)
    await_judged(at_work, 1)
    assert read_answers(at_work) == shown
    press(at_work, "Digit2")
    await_judged(at_work, 2)
    assert is_saved_once()


def test_who_leaves_a_page_with_typed_text_is_asked_first(enter, alice, make_dataset):
    make_dataset(build_rows(3), reasons="optional")
    page = enter(alice)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.get_by_placeholder("Other reason (free text)").press_sequentially("so")
    page.get_by_role("link", name="History").click()
    expect(page.get_by_placeholder("Other reason (free text)")).to_have_value("so")
    assert asked == ["beforeunload"]
    page.get_by_placeholder("Other reason (free text)").press("Escape")
    press(page, "Digit1")
    await_judged(page, 1)
    await_sent(page)  # a verdict in transit also triggers the warning
    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("heading", name="my annotations")).to_be_visible()
    assert asked == ["beforeunload"]


# --- time passes ------------------------------------------------------------------------------------------------------


def test_verdicts_after_a_long_lunch_are_kept(at_work, alice, bob, pairs):
    await_ready(at_work)
    mine = Judgment.objects.filter(annotator=alice, state="leased")
    assert mine.update(lease_until=timezone.now() - timedelta(hours=1)) == 5
    theirs = lease_next(bob, pairs)
    assert theirs.comparison_id in mine.model.objects.filter(annotator=alice).values_list("comparison", flat=True)
    record(theirs, 0, "right")
    for n in range(1, 6):
        press(at_work, "Digit1")
        await_sent(at_work)
        await_judgments(n, state="saved", annotator=alice)
    assert Judgment.objects.get(annotator=alice, surplus=True).comparison == theirs.comparison
    assert is_saved_once()
    assert Judgment.objects.get(annotator=bob).verdict == "right"


def test_a_session_that_ends_while_one_types_loses_nothing(enter, context, alice, make_dataset):
    make_dataset(build_rows(6), reasons="required", with_stars=True)
    page = enter(alice)
    press(page, "Digit4", "Digit2", "Digit1")
    page.get_by_placeholder("Other reason (free text)").fill("多写几个字。")
    context.clear_cookies(name="sessionid")
    shown = read_answers(page)
    press(page, "Enter")
    await_change(page, shown)
    expect(page.get_by_role("alert")).to_contain_text("You are signed out.")
    assert list_verdicts() == []
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("alert").get_by_role("link", name="Sign in").click()
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password").fill("demo")
    find_button(page, "Sign in").click()
    await_page(page)
    await_judged(page, 1)
    assert get_last() == ("left", {"stars": [4, 2], "reason": "多写几个字。"})


def test_who_signs_in_again_in_another_tab_goes_on_in_the_first(at_work, context, enter, alice, live_server):
    await_ready(at_work)
    context.clear_cookies(name="sessionid")
    press(at_work, "Digit1")
    expect(at_work.get_by_role("alert")).to_contain_text("You are signed out.")
    sign_in(context, alice, live_server.url)
    at_work.evaluate("dispatchEvent(new Event('focus'))")
    await_judged(at_work, 1)
    expect(at_work.get_by_role("alert")).to_be_hidden()

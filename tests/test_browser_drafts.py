"""Nothing that was filled in is lost: reload, closed tab, expired session, another device."""

import re

import pytest
from playwright.sync_api import expect

from datasets.models import Judgment, Response
from tests.browsing import (
    PAGE,
    await_judged,
    await_sent,
    find_button,
    find_chosen,
    find_option,
    get_last,
    press,
    wait_for,
)
from tests.conftest import build_rows

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]

ASKED = {"criteria": [{"name": "helpful"}, {"name": "honest"}], "reasons": "optional", "allow_repair": True}
SAID = "多写几个字 <b>"


@pytest.fixture
def page(enter, alice, make_dataset):
    make_dataset(build_rows(6), **ASKED, with_stars=True)
    page = enter(alice)
    page.on("dialog", lambda dialog: dialog.accept())
    return page


def fill_in(page):
    """By keys: both stars and one of two criteria; then a reason and a better answer."""
    press(page, "Digit4", "Digit2", "Digit1", "KeyR", "Digit2")
    page.get_by_placeholder("Other reason (free text)").fill(SAID)
    press(page, "Escape", "KeyE")
    page.keyboard.type("Better.")
    press(page, "Escape")
    wait_for(page, "() => Object.keys(localStorage).some((name) => (localStorage[name].includes('Better')))")


def expect_filled_in(page):
    expect(page.get_by_placeholder("Other reason (free text)")).to_have_value(SAID)
    expect(page.get_by_label("Edited answer").first).to_have_value(re.compile("Better"))
    expect(page.get_by_label("Edited answer").first).to_be_visible()
    assert (find_chosen(page, "stars_left"), find_chosen(page, "stars_right")) == ("4", "2")
    assert find_chosen(page, "reasons") == "more complete" or find_option(page, "reasons", "more complete")
    expect(page.locator("[data-group].turn legend").first).to_contain_text("honest")


def await_kept(page, words):
    """Waits until the server has a draft with these words."""
    for _ in range(200):
        drafts = Judgment.objects.exclude(draft=None).values_list("draft", flat=True)
        if any(words in str(draft["entries"]) for draft in drafts):
            return
        page.wait_for_timeout(50)
    raise AssertionError(list(drafts))


def test_a_reload_and_a_closed_tab_lose_nothing(page, context):
    fill_in(page)
    page.reload()
    expect_filled_in(page)
    other = context.new_page()
    page.close()
    other.goto(PAGE)
    expect_filled_in(other)
    press(other, "Digit2", "Digit1")
    await_judged(other, 1)
    verdict, said = get_last()
    assert (verdict, said["stars"], said["reason"]) == ("left", [4, 2], SAID)
    assert "Better." in Response.objects.get(source=Response.REPAIR).text
    assert not Judgment.objects.exclude(draft=None).exists()
    assert "chosen-drafts" not in other.evaluate("Object.keys(localStorage).join()")
    expect(other.get_by_placeholder("Other reason (free text)")).to_have_value("")


def test_another_device_goes_on_where_the_first_one_was(page, elsewhere, alice):
    fill_in(page)
    await_kept(page, "Better.")
    other = elsewhere(alice)
    expect_filled_in(other)
    other.get_by_placeholder("Other reason (free text)").fill("from the phone")
    await_kept(other, "from the phone")
    page.reload()
    expect(page.get_by_placeholder("Other reason (free text)")).to_have_value("from the phone")
    press(other, "Escape", "Digit2", "Digit1")
    await_judged(other, 1)
    assert get_last()[1]["reason"] == "from the phone"
    assert not Judgment.objects.exclude(draft=None).exists()


def test_a_session_that_expires_loses_nothing(page, context):
    fill_in(page)
    context.clear_cookies(name="sessionid")
    page.reload()
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password").fill("demo")
    find_button(page, "Sign in").click()
    expect_filled_in(page)


def test_a_draft_without_a_network_reaches_the_server_with_the_next_change(page, context, troubles):
    context.set_offline(True)
    fill_in(page)
    wait_for(page, "() => localStorage.length")
    context.set_offline(False)
    page.get_by_placeholder("Other reason (free text)").fill("online again")
    await_kept(page, "online again")
    troubles[:] = [trouble for trouble in troubles if "INTERNET_DISCONNECTED" not in trouble]


def test_nobody_else_sees_a_draft(page, context, enter, bob):
    fill_in(page)
    await_kept(page, "Better.")
    other = enter(bob)
    expect(other.get_by_placeholder("Other reason (free text)")).to_have_value("")
    assert "Better." not in other.content()


def test_what_is_filled_in_again_after_an_undo_is_a_draft_too(page):
    press(page, "Digit4", "Digit2", "Digit1", "Digit1", "Digit1")
    await_judged(page, 1)
    await_sent(page)
    press(page, "KeyU")
    expect(page.get_by_text("Your previous answer")).to_be_visible()
    page.get_by_placeholder("Other reason (free text)").fill("on second thoughts")
    await_kept(page, "on second thoughts")
    page.reload()
    expect(page.get_by_placeholder("Other reason (free text)")).to_have_value("on second thoughts")
    page.get_by_placeholder("Other reason (free text)").press("Escape")
    press(page, "KeyK")
    await_judged(page, 1)
    await_sent(page)
    assert "reason" not in get_last()[1]
    assert not Judgment.objects.exclude(draft=None).exists()


def test_plain_judging_makes_no_draft(at_work):
    asked = []
    at_work.on("request", lambda request: asked.append(request.url) if "/draft/" in request.url else None)
    for n in (1, 2, 3):
        press(at_work, "Digit1")
        await_judged(at_work, n)
    assert not asked
    assert "chosen-drafts" not in at_work.evaluate("Object.keys(localStorage).join()")


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_nothing_changes(page):
    page.get_by_placeholder("Other reason (free text)").fill("typed")
    page.reload()
    expect(page.get_by_placeholder("Other reason (free text)")).to_have_value("")

"""What was judged last: beside Undo, and in the list beside the task on wide screens."""

import pytest
from playwright.sync_api import expect

from datasets.models import Judgment
from tests.browsing import PAGE, await_judged, await_ready, excuse, press
from tests.conftest import build_rows

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]


def read_past(page):
    """(start of the prompt, verdict) of each entry."""
    entries = page.locator("#past li").all()
    return [(entry.locator("a").inner_text()[:8], entry.locator("span").inner_text()) for entry in entries]


def test_undo_says_what_it_takes_back(at_work):
    saved = at_work.locator(".bar [data-saved]")
    await_ready(at_work)
    expect(saved).to_be_hidden()
    press(at_work, "Digit2")
    expect(saved).to_have_text("Saved: B is better")
    press(at_work, "KeyB")
    expect(saved).to_have_text("Saved: Both bad")
    await_judged(at_work, 2)
    at_work.reload()
    expect(saved).to_have_text("Saved: Both bad")
    press(at_work, "KeyU")
    expect(at_work.get_by_text("Your previous answer: Both bad.")).to_be_visible()
    expect(saved).to_have_text("Saved: B is better")
    press(at_work, "KeyK")
    expect(saved).to_have_text("Saved: Both bad")


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_undo_says_it_too(at_work):
    at_work.get_by_role("button", name="Tie").click()
    expect(at_work.locator(".bar [data-saved]")).to_have_text("Saved: Tie")


@pytest.mark.browser_context_args(viewport={"width": 1800, "height": 900})
def test_the_last_ten_stand_beside_the_task(enter, alice, make_dataset, context, troubles):
    make_dataset([{**row, "prompt": f"Number {n}?"} for n, row in enumerate(build_rows(14))])
    page = enter(alice)
    await_ready(page)
    expect(page.locator(".past")).to_be_hidden()
    for n in range(12):
        press(page, "Digit1" if n % 2 else "Digit0")
        await_judged(page, n + 1)
    expect(page.locator(".past")).to_be_visible()
    shown = read_past(page)
    assert len(shown) == 10
    assert [words for _prompt, words in shown[:2]] == ["A is better", "Tie"]
    page.reload()
    assert read_past(page) == shown, "the server lists the same"
    press(page, "KeyU")
    expect(page.get_by_text("Your previous answer: A is better.")).to_be_visible()
    assert read_past(page) == shown[1:]
    press(page, "KeyK")
    assert read_past(page) == shown
    context.set_offline(True)
    press(page, "Digit2")
    assert [words for _prompt, words in read_past(page)[:2]] == ["B is better", "A is better"]
    press(page, "KeyU")
    assert read_past(page) == shown[:9], "the tenth made room"
    context.set_offline(False)
    excuse(troubles, "INTERNET_DISCONNECTED")
    page.locator("#past a").first.click()
    page.wait_for_url(f"**{PAGE}history/{Judgment.objects.filter(state='saved').latest('decided_at').pk}/")


def test_the_list_is_out_of_sight_where_there_is_no_room(at_work):
    press(at_work, "Digit1")
    await_judged(at_work, 1)
    expect(at_work.locator(".past")).to_be_hidden()

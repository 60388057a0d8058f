"""The browser keeps judgments until the server acknowledges them: no network, errors, signed out."""

import pytest
from playwright.sync_api import expect

from datasets.models import Judgment
from tests.browsing import (
    await_change,
    await_judged,
    await_page,
    await_ready,
    excuse,
    expect_all_done,
    find_button,
    list_verdicts,
    read_answers,
)
from tests.conftest import build_rows

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]


def test_without_a_network_judging_goes_on_and_what_was_judged_is_sent_once_it_is_back(at_work, context, troubles):
    await_ready(at_work)
    context.set_offline(True)
    for n, key in enumerate(["Digit1", "Digit2", "Digit0"], 1):
        shown = read_answers(at_work)
        at_work.keyboard.press(key)
        await_change(at_work, shown)
        expect(at_work.get_by_role("alert").locator("[data-said=waiting] b")).to_have_text(str(n))
    assert list_verdicts() == []
    context.set_offline(False)
    await_judged(at_work, 3)
    expect(at_work.get_by_role("alert")).to_be_hidden()
    assert sorted(list_verdicts()) == ["left", "right", "tie"]
    excuse(troubles, "INTERNET_DISCONNECTED")


def test_without_a_network_the_page_says_when_nothing_is_left_of_what_was_kept_ready(at_work, context, troubles):
    await_ready(at_work)
    banner, header = at_work.locator("#unsent"), at_work.locator("header").first
    context.set_offline(True)
    shown = at_work.locator("#ready > template").count() + 1
    for _ in range(shown):
        at_work.keyboard.press("Digit1")
        at_work.wait_for_timeout(100)
    expect(at_work.locator("main h1")).to_have_text("You are offline and have judged all prefetched comparisons.")
    expect(banner).to_be_visible()
    top, box = header.bounding_box(), banner.bounding_box()
    assert box["y"] >= top["y"] + top["height"] - 1, "the banner has a line of its own"
    context.set_offline(False)
    await_judged(at_work, shown)
    expect(at_work.locator("[data-response]").first).to_be_visible()
    excuse(troubles, "INTERNET_DISCONNECTED")


def test_what_waits_survives_a_reload_and_is_sent_exactly_once(at_work, context, troubles, alice):
    await_ready(at_work)
    at_work.route(
        "**/annotate/demo/", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    shown = read_answers(at_work)
    at_work.keyboard.press("Digit1")
    at_work.keyboard.press("Digit2")
    expect(at_work.get_by_role("alert")).to_be_visible()
    at_work.unroute("**/annotate/demo/")
    at_work.on("dialog", lambda dialog: dialog.accept())
    at_work.reload()
    await_judged(at_work, 2)
    for _ in range(100):  # the page goes on when the script has noticed
        if shown not in (read_answers(at_work), read_answers(at_work)[::-1]):
            break
        at_work.wait_for_timeout(50)
    assert shown not in (read_answers(at_work), read_answers(at_work)[::-1])
    assert sorted(list_verdicts()) == ["left", "right"]
    assert set(Judgment.objects.filter(state="saved").values_list("revision", flat=True)) == {1}
    excuse(troubles, "ERR_FAILED")


def test_a_page_with_unsent_judgments_warns_before_it_is_closed(at_work, context, troubles):
    await_ready(at_work)
    context.set_offline(True)
    at_work.keyboard.press("Digit1")
    expect(at_work.get_by_role("alert")).to_be_visible()
    warned = []
    at_work.on("dialog", lambda dialog: (warned.append(dialog.type), dialog.accept()))
    with at_work.expect_event("close"):
        at_work.close(run_before_unload=True)
    assert warned == ["beforeunload"]
    excuse(troubles, "INTERNET_DISCONNECTED")


def test_no_more_than_twenty_wait(enter, context, alice, make_dataset, troubles):
    make_dataset(build_rows(30), kept_ready=19)
    page = enter(alice)
    await_ready(page, 19)
    context.set_offline(True)
    for n in range(1, 21):
        page.keyboard.press("Digit1")
        expect(page.get_by_role("alert").locator("b").first).to_have_text(str(n))
    expect(page.get_by_role("alert")).to_contain_text("The limit is reached")
    page.keyboard.press("Digit2")
    context.set_offline(False)
    await_judged(page, 20)
    assert list_verdicts() == ["left"] * 20
    excuse(troubles, "INTERNET_DISCONNECTED")


def test_undo_takes_back_what_has_not_left_yet(at_work, context, troubles):
    await_ready(at_work)
    context.set_offline(True)
    first = read_answers(at_work)
    at_work.keyboard.press("Digit1")
    expect(at_work.get_by_role("alert")).to_be_visible()
    at_work.keyboard.press("KeyU")
    assert read_answers(at_work) == first
    expect(at_work.get_by_role("alert")).to_be_hidden()
    at_work.keyboard.press("Digit2")
    context.set_offline(False)
    await_judged(at_work, 1)
    assert list_verdicts() == ["right"]
    excuse(troubles, "INTERNET_DISCONNECTED")


def test_the_next_comparison_is_there_while_the_judgment_travels(at_work):
    await_ready(at_work)
    held = []
    at_work.route("**/annotate/demo/", lambda route: held.append(route))
    shown = read_answers(at_work)
    at_work.keyboard.press("Digit1")
    assert read_answers(at_work) != shown, "at once, without an answer"
    while not held:
        at_work.wait_for_timeout(50)
    assert list_verdicts() == []
    held[0].continue_()
    await_judged(at_work, 1)


def test_an_error_of_the_server_loses_nothing(at_work, monkeypatch, troubles):
    await_ready(at_work)
    with monkeypatch.context() as patched:
        patched.setattr("annotate.views.judge.send_ahead", None)
        at_work.keyboard.press("Digit1")
        expect(at_work.get_by_role("alert")).to_be_visible()
    await_judged(at_work, 1)
    expect(at_work.get_by_role("alert")).to_be_hidden()
    assert list_verdicts() == ["left"]
    excuse(troubles, "500")


def test_who_was_signed_out_signs_in_and_what_was_judged_is_saved(at_work, context):
    await_ready(at_work)
    context.clear_cookies(name="sessionid")
    at_work.keyboard.press("Digit1")
    at_work.keyboard.press("Digit2")
    expect(at_work.get_by_role("alert")).to_contain_text("You are signed out.")
    assert list_verdicts() == []
    at_work.on("dialog", lambda dialog: dialog.accept())
    at_work.get_by_role("alert").get_by_role("link", name="Sign in").click()
    at_work.get_by_label("Name").fill("alice")
    at_work.get_by_label("Password").fill("demo")
    find_button(at_work, "Sign in").click()
    await_page(at_work)
    await_judged(at_work, 2)
    assert sorted(list_verdicts()) == ["left", "right"]


def test_what_one_person_judged_is_never_sent_as_another(at_work, context, enter, bob):
    await_ready(at_work)
    context.clear_cookies(name="sessionid")
    at_work.keyboard.press("Digit1")
    expect(at_work.get_by_role("alert")).to_contain_text("You are signed out.")
    at_work.on("dialog", lambda dialog: dialog.accept())
    page = enter(bob)
    await_ready(page)
    assert Judgment.objects.filter(state="saved").count() == 0
    page.keyboard.press("Digit2")
    await_judged(page, 1)
    assert Judgment.objects.get(state="saved").annotator == bob


def test_an_answer_that_comes_late_leaves_nobody_waiting(enter, alice, make_dataset, context):
    """The browser requested more before the last verdict; the response is stale."""
    make_dataset(build_rows(1))
    held = []
    context.route("**/annotate/demo/ahead/", lambda route: held.append(route) if not held else route.continue_())
    page = enter(alice)
    with page.expect_response("**/annotate/demo/"):
        find_button(page, "A is better").click()
    held[0].continue_()
    expect_all_done(page)

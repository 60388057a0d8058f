"""A real server is killed and restarted while somebody judges in a browser: every judgment is saved, once."""

import re

import pytest
from playwright.sync_api import expect

from tests.browsing import await_ready, await_sent, create_context, excuse, press, watch
from tests.serving import count_exported, kill, running_server

LONGEST_PAUSE = 30_000  # milliseconds

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(browser, demo_place, troubles):
    """A page of a browser that is not signed in."""
    address = f"http://127.0.0.1:{demo_place['PORT']}"
    context = create_context(browser, {"base_url": address, "reduced_motion": "reduce"})
    context.clock.install()
    watch(context, troubles)
    yield context.new_page()
    context.close()
    excuse(troubles, "ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET", "ERR_SOCKET")
    assert not troubles


def expect_sent_again(page, n):
    """Waits until n are judged; the page's pause before its next try, which grows while the server starts, is over."""
    page.clock.fast_forward(LONGEST_PAUSE)
    expect_judged(page, n)


def expect_judged(page, n):
    expect(page.locator("header").first).to_contain_text(re.compile(rf"You: (?<!\d){n}"), timeout=30_000)


@pytest.mark.long
def test_a_server_that_is_killed_and_comes_back_has_every_judgment_once(demo_place, page, tmp_path):
    demo_place["START_WORKERS"] = "0"  # background tasks only cost time here
    with running_server(demo_place) as server:
        page.goto("/annotate/models/")
        page.get_by_label("Name").fill("alice")
        page.get_by_label("Password").fill("demo")
        page.get_by_role("button", name="Sign in").click()
        await_ready(page)
        kill(server)
    press(page, "Digit1", "Digit2", "Digit1")
    expect(page.get_by_role("alert").locator("[data-said=waiting] b")).to_have_text("3")
    with running_server(demo_place) as server:
        expect_sent_again(page, 3)
        await_ready(page)
        expect(page.get_by_role("alert")).to_be_hidden()
        press(page, "Digit1", "Digit1")  # these may or may not have arrived
        kill(server)
    press(page, "Digit2")
    expect(page.get_by_role("alert")).to_be_visible()
    with running_server(demo_place):
        expect_sent_again(page, 6)
        await_sent(page)
        page.reload()
        expect_judged(page, 6)
    assert count_exported(demo_place, tmp_path) == 6

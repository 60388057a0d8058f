"""The qualification in a browser: by keys alone, on a phone, without JavaScript."""

import re

import pytest
from playwright.sync_api import expect

from annotate.judging.record import record
from annotate.models import Membership, PracticeAttempt
from annotate.queue.lease import lease_next
from datasets.comparisons.gold import create_gold
from datasets.models import Judgment
from tests.browsing import PHONE, find_button, press
from tests.conftest import build_rows

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]

PAGE = "/annotate/demo/practice/"
ANSWERED = re.compile("Correct|Not the expected answer")


@pytest.fixture
def qualifying(make_dataset, admin):
    """Two items, both to be judged right, with a gold answer that says "both bad"."""
    dataset = make_dataset(build_rows(6), practice=2, practice_pass=100, guideline="Look *well*.", allow_flag=True)
    for _ in range(2):
        judgment = lease_next(admin, dataset)
        record(judgment, 0, "both_bad")
        judgment.refresh_from_db()
        create_gold(judgment, "Neither *answers*.", for_practice=True, by=admin)
    return dataset


def press_once_loaded(page, key):
    page.wait_for_load_state("load")
    press(page, key)


def test_by_keys_alone_it_is_failed_taken_again_and_passed(qualifying, enter, alice):
    page = enter(alice, "/annotate/demo/")
    expect(page).to_have_url(re.compile(f"{PAGE}$"))
    expect(page.locator(".key-line")).to_contain_text("Both bad")
    press(page, "KeyS")
    press(page, "KeyU")
    press(page, "KeyF")
    assert not Judgment.objects.filter(purpose="practice").exclude(state="expired").exists()
    press(page, "KeyG")
    expect(page.locator("#guideline")).to_contain_text("Look well")
    for key, title in (("KeyB", "Correct"), ("Digit1", "Not the expected answer")):
        page.locator(".key-line").wait_for()
        press_once_loaded(page, key)
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        expect(page.get_by_role("heading", name="Why")).to_be_visible()
        expect(page.get_by_text("Neither answers.")).to_be_visible()
        press_once_loaded(page, "Enter")
    expect(page.get_by_text("1 of 2 correct; 2 required.")).to_be_visible()
    press_once_loaded(page, "KeyA")
    expect(page.get_by_text("Attempt 2")).to_be_visible()
    for _ in range(2):
        page.locator(".key-line").wait_for()
        press_once_loaded(page, "KeyB")
        expect(page.get_by_role("heading", name="Correct")).to_be_visible()
        press_once_loaded(page, "Enter")
    expect(page.get_by_text("Passed: your judgments count from now on.")).to_be_visible()
    press(page, "Enter")
    expect(page).to_have_url(re.compile("/annotate/demo/$"))
    assert list(PracticeAttempt.objects.order_by("number").values_list("right", "passed")) == [(1, False), (2, True)]


@pytest.mark.browser_context_args(**PHONE)
def test_on_a_phone_nothing_is_too_wide_and_a_thumb_suffices(qualifying, enter, alice):
    page = enter(alice, PAGE)
    for _ in range(2):
        page.locator(".key-line").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.locator("header").first.bounding_box()["height"] <= 60, "the header stands on one line"
        expect(page.locator(".key-line dl")).to_be_hidden()
        expect(page.get_by_text("Each answer is checked at once.")).to_be_visible()
        find_button(page, "Both bad").tap()
        expect(page.get_by_role("heading", name=ANSWERED)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.get_by_role("link", name=re.compile("Next|Show result")).tap()
    expect(page.get_by_text("2 of 2 correct")).to_be_visible()


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_scripts_it_is_the_same(qualifying, enter, alice):
    page = enter(alice, PAGE)
    for verdict in ("A is better", "Both bad"):
        find_button(page, verdict).click()
        expect(page.get_by_role("heading", name=ANSWERED)).to_be_visible()
        page.get_by_role("link", name=re.compile("Next|Show result")).click()
    find_button(page, "Take it again").click()
    for _ in range(2):
        find_button(page, "Both bad").click()
        page.get_by_role("link", name=re.compile("Next|Show result")).click()
    page.get_by_role("link", name="Start").click()
    expect(page.get_by_role("heading", name="Which answer is better?")).to_be_attached()
    assert Membership.objects.get(user=alice).practised_at

"""A reviewer at work in a real browser, with keys, on plain pages."""

import pytest
from playwright.sync_api import expect

from datasets.models import Comparison, Dataset, Judgment
from tests.browsing import press
from tests.test_decisions import flag_as_another, rita, split  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(enter, split, rita):  # noqa: F811
    return enter(rita, "/annotate/demo/review/")


def test_by_keys_an_impression_a_decision_undo_and_keep(page):
    press(page, "Digit1")
    expect(page.locator(".heard")).to_contain_text("Annotator 2")
    press(page, "Digit0")
    expect(page.locator("[data-all-done]")).to_be_visible()
    assert Judgment.objects.decisions().get().verdict == "tie"
    assert 0 <= Judgment.objects.get(purpose="review").seconds < 60
    press(page, "KeyU")
    expect(page.locator("[role=status]")).to_contain_text("Tie")
    press(page, "KeyK")
    expect(page.locator("[data-all-done]")).to_be_visible()
    assert Judgment.objects.decisions().get().state == "saved"


def test_what_is_missing_is_pointed_out_and_nothing_leaves(page):
    Dataset.objects.update(reasons="required")
    page.reload()
    press(page, "Digit1")
    expect(page.locator("[data-awaiting]")).to_be_visible()
    press(page, "Digit1", "Enter")
    expect(page.locator(".heard")).to_be_visible()
    assert Judgment.objects.get(purpose="review").said["reasons"] == ["more correct"]


def test_a_double_click_decides_once(page):
    page.locator("[name=verdict][value=left]").dblclick()
    expect(page.locator(".heard")).to_be_visible()
    assert not Judgment.objects.decisions()


def test_what_is_flagged_is_left_out_by_a_click(page, split, charlie):  # noqa: F811
    flag_as_another(split, charlie)
    press(page, "KeyS")
    page.get_by_role("button", name="Exclude", exact=True).click()
    expect(page.locator("[data-all-done]")).to_be_visible()
    assert Comparison.objects.get().held == "withdrawn"

"""On a phone: the verdicts in reach of a thumb, one answer at a time, nothing that scrolls sideways."""

import pytest
from playwright.sync_api import expect

from tests.browsing import PHONE, all_done, button, verdicts

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.browser_context_args(**PHONE)
def test_on_a_phone_the_verdicts_are_in_reach_of_a_thumb(enter, alice, make_dataset):
    long = (
        "A rather long answer.\n\n" * 40
        + "| a | b | c | d |\n|---|---|---|---|\n|"
        + " long cell |" * 4
        + "\n\nThe end."
    )
    unbroken = "x" * 400 + f"\n\n```\n{'y' * 400}\n```\n\n`{'z' * 200}` https://example.org/{'w' * 200}\n\nThe end."
    make_dataset([{"prompt": "Why " + "so" * 100, "responses": [long, unbroken]}])
    page = enter(alice)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for control in page.locator("button[name=verdict]").all():
        place = control.bounding_box()
        assert place["height"] >= 44, control.inner_text()
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= 360
        assert place["y"] + place["height"] <= 740
    expect(page.locator("[data-response=right]")).to_be_hidden()
    button(page, "Answer B").tap()
    expect(page.locator("[data-response=left]")).to_be_hidden()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last = page.locator("[data-response]").nth(1).bounding_box()
    top = min(control.bounding_box()["y"] for control in page.locator("button[name=verdict]").all())
    assert last["y"] + last["height"] <= top, "the bar covers the end of the last answer"
    button(page, "B is better").tap()
    all_done(page)
    assert verdicts() == ["right"]

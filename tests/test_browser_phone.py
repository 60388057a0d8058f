"""On a phone: verdicts within reach of a thumb, one answer at a time, no sideways scrolling."""

import pytest
from playwright.sync_api import expect

from tests.browsing import PHONE, expect_all_done, find_button, list_verdicts
from tests.conftest import build_rows

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]


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
    find_button(page, "Answer B").tap()
    expect(page.locator("[data-response=left]")).to_be_hidden()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last = page.locator("[data-response]").nth(1).bounding_box()
    top = min(control.bounding_box()["y"] for control in page.locator("button[name=verdict]").all())
    assert last["y"] + last["height"] <= top, "the bar covers the end of the last answer"
    find_button(page, "B is better").tap()
    expect_all_done(page)
    assert list_verdicts() == ["right"]


SIZES = """() => {
    const target = (one) => one.matches("label input") ? one.closest("label") : one;
    const all = [...document.querySelectorAll("a, button, input:not([type=hidden]), summary, textarea, select")];
    const isFolded = (one) => one.closest(".steps *") && getComputedStyle(one).clipPath !== "none"; // Tab opens it
    const isShown = (one) => one.checkVisibility() && !one.matches(".skip-link") && !isFolded(one);
    return all.map(target).filter(isShown).map((one) => {
        const {left, right, width, height} = one.getBoundingClientRect();
        return {what: one.outerHTML.slice(0, 90), left, right, width, height, verdict: one.matches(".verdict")};
    });
}"""
SPILLS = """() => [...document.querySelectorAll(".verdict, label > span, .token, .bar .plain")]
    .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML)"""
COVERED = """() => {
    scrollTo(0, document.documentElement.scrollHeight);
    const kinds = ["button", "input", "summary", "textarea", ".token", ".text"].map((kind) => `main ${kind}`).join();
    const shown = [...document.querySelectorAll(kinds)].filter((one) => one.checkVisibility());
    const lowest = Math.max(...shown.map((one) => one.getBoundingClientRect().bottom));
    return lowest - document.querySelector(".bar").getBoundingClientRect().top;
}"""
CRITERIA = [{"name": "helpful", "guideline": "yes"}, {"name": "a criterion of a long name that takes several lines"}]
BESIDES = {"criteria": CRITERIA, "reasons": "optional", "allow_repair": True, "allow_flag": True, "guideline": "Look."}
ASKED = {
    "pair": {},
    "scale": {"question": "scale"},
    "rank": {"question": "rank", "fewest_shown": 6, "most_shown": 6},
    "best and worst": {"question": "best_worst", "fewest_shown": 3, "most_shown": 6},
    "stars": {"question": "stars", "most_shown": 6},
    "stars of one": {"question": "stars", "fewest_shown": 1, "most_shown": 1},
}
LOCALES = [
    pytest.param(marks=pytest.mark.browser_context_args(**PHONE), id="English"),
    pytest.param(marks=pytest.mark.browser_context_args(**PHONE, locale="zh-CN"), id="Chinese"),
]


@pytest.mark.parametrize("more", [{}, BESIDES | {"with_stars": True}], ids=["alone", "with everything"])
@pytest.mark.parametrize("question", ASKED)
@pytest.mark.parametrize((), LOCALES)
def test_nothing_is_too_wide_too_small_or_covered(enter, alice, make_dataset, question, more):
    rows = build_rows(2, answers=6)
    make_dataset(rows, name="A dataset with rather a long name", **ASKED[question] | more)
    page = enter(alice)
    if page.locator("[data-views]").is_visible():
        page.locator("[data-view=all]").tap()
    for details in page.locator("main summary").all():
        details.tap()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    sizes = page.evaluate(SIZES)
    assert not [one for one in sizes if one["left"] < 0 or one["right"] > 360]
    assert not [one for one in sizes if min(one["width"], one["height"]) < (44 if one["verdict"] else 24)]
    assert page.evaluate(SPILLS) == []
    assert page.evaluate(COVERED) <= 0
    assert page.locator("header").first.bounding_box()["height"] <= 60, "the header stands on one line"

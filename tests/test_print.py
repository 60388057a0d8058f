"""Quality and the overview on paper: everything there is to read, nothing there is to press, black on white."""

import re

import pytest
from playwright.sync_api import expect

from analyze.reports import load_parts
from bench.simulate import HONEST, LEFT
from tests.crowds import create_judged_dataset

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True), pytest.mark.long]

PRESSED = "header, nav, form, button, .button, input, select, textarea, summary, .skip-link"
A4 = {"width": 794 - 106, "height": 1123 - 106}  # without the margins
LOOK = """() => {
    const inside = [...document.querySelectorAll("main svg, main tr, main figure")];
    const grey = (colour) => new Set(colour.match(/[\\d.]+/g).slice(0, 3)).size === 1;
    const bright = (colour) => Number(colour.match(/[\\d.]+/)[0]) > 128;
    const texts = [...document.querySelectorAll("body, main :is(h1, h2, p, td, th, a, text, b, span)")];
    return {
        hidden: [...document.querySelectorAll("main svg, main table")].filter((one) => !one.checkVisibility()).length,
        broken: inside.filter((one) => getComputedStyle(one).breakInside !== "avoid").length,
        coloured: texts.filter((one) => one.checkVisibility() && one.textContent.trim()).filter((one) => {
            const style = getComputedStyle(one);
            return [style.color, style.fill].some((colour) => !grey(colour) || bright(colour));
        }).map((one) => one.outerHTML.slice(0, 120)),
        paper: getComputedStyle(document.body).backgroundColor,
        underlined: [...document.querySelectorAll("main a")].filter((one) =>
            getComputedStyle(one).textDecorationLine !== "none").length,
        wide: document.documentElement.scrollWidth > innerWidth,
        phone: [...document.querySelectorAll("main td")].filter((one) =>
            getComputedStyle(one).display !== "table-cell").length,
    };
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper_are_all_tables_and_charts_and_nothing_to_press(enter, admin, make_dataset, scheme):
    create_judged_dataset(make_dataset, [HONEST, HONEST, HONEST, LEFT], judgments=40, gold=0.3, repeats=0.3)
    for path in ("", "quality/", *(f"quality/{name}/" for name in load_parts())):
        page = enter(admin, f"/datasets/crowd/{path}")
        page.set_viewport_size(A4)
        page.emulate_media(media="print", color_scheme=scheme)
        assert [one for one in page.locator(PRESSED).all() if one.is_visible()] == [], path
        expect(page.locator(".print-title")).to_have_text(re.compile(r"^crowd · \d{4}-\d\d-\d\d \d\d:\d\d$"))
        expect(page.locator("h1")).to_be_visible()
        assert page.evaluate(LOOK) == {
            "hidden": 0,
            "broken": 0,
            "coloured": [],
            "paper": "rgb(255, 255, 255)",
            "underlined": 0,
            "wide": False,
            "phone": 0,
        }, path
        page.emulate_media(media="screen")
        expect(page.locator(".print-title")).to_be_hidden()

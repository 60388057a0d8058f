"""Every page in every state: axe, light and dark, narrow and wide, Chinese."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils.translation import gettext, override
from playwright.sync_api import expect

from tests.browsing import await_judged, await_ready, await_sent, excuse, find_button, read_answers, sign_in
from tests.every_page import PEOPLE, compile_english, every_page  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AXE_PARTS = 2


@pytest.fixture
def walk(every_page, live_server, context, troubles):  # noqa: F811
    """walk(): (name, page) of each page in turn, of all or of some, for one person after another."""

    def walk(width=1280, pages=slice(None), names=None):
        page, who = context.new_page(), None
        page.set_viewport_size({"width": width, "height": 800})
        page.on("dialog", lambda dialog: dialog.accept())
        chosen = [(name, state) for name, state in every_page.items() if names is None or name in names]
        by_person = sorted(chosen, key=lambda item: getattr(item[1][0], "pk", 0))
        for name, (person, path, status, *act) in by_person[pages]:
            if person != who:
                page.goto("about:blank")  # ends the polling of a page before another person signs in
                sign_in(context, person, live_server.url)
                who = person
            with page.expect_response(lambda response: response.request.is_navigation_request()) as answer:
                page.goto(path)
            assert (name, answer.value.status) == (name, status)
            after = act[0](page) if act else None
            excuse(troubles, f"status of {status}", "status of 422", "INTERNET_DISCONNECTED")
            assert (name, troubles) == (name, [])
            yield name, page
            if after:
                after()
                excuse(troubles, "INTERNET_DISCONNECTED")

    return walk


@pytest.mark.long
@pytest.mark.once
@pytest.mark.timeout(600)  # a walk over a hundred pages
@pytest.mark.own_browser
@pytest.mark.parametrize("part", range(AXE_PARTS))
def test_axe_finds_nothing_on_any_page_wide_or_narrow_light_or_dark(walk, context, part):
    context.add_init_script(Axe().axe_script)
    found, looks = {}, set()
    for name, page in walk(1440, slice(part, None, AXE_PARTS)):
        look(page, name, found, looks)
        if name == "code":
            page.keyboard.press("?")
            look(page, "keys", found, looks)
            page.keyboard.press("Escape")
            page.keyboard.press("KeyG")
            look(page, "guideline beside the answers", found, looks)
            page.keyboard.press("KeyG")
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)


BRIEFLY = {"resultTypes": ["violations"], "preload": False, "selectors": False}  # no page has audio or video
COLOURS = ["color-contrast", "link-in-text-block"]
# What a narrow window changes: sizes, what scrolls, and names that only a wide one shows.
LAYOUT = ["target-size", "scrollable-region-focusable", "button-name", "link-name", "label"]
WITH_SIZES = {"target-size": {"enabled": True}}

LOOKS = """() => [...new Set([...document.querySelectorAll("body *")].map((one) => {
    if (!one.checkVisibility()) return "";
    const style = getComputedStyle(one);
    let around = one;
    while (around.parentElement && getComputedStyle(around).backgroundColor === "rgba(0, 0, 0, 0)")
        around = around.parentElement;
    const paper = getComputedStyle(around).backgroundColor;
    return [style.color, paper, style.fontSize, style.fontWeight, style.opacity, style.textDecorationLine].join(" ");
}))]"""


def look(page, name, found, looks):
    """What axe finds in a wide window in both themes, and at a phone's width; and where the page scrolls sideways.

    Colours are checked where the page has a look that no page before it had: a text of a colour, size and weight on a
    ground. They take axe longer than all else.

    The bar of a comparison takes its place below the answers meanwhile: axe takes a button that is half behind it for
    too small. That nothing stays behind it is a test of its own (test_browser_bar.py).

    found, looks: violations by place and looks so far; this adds to both.
    """
    page.evaluate("document.querySelectorAll('.bar').forEach((bar) => { bar.style.position = 'static'; })")
    for width, scheme in ((1440, "light"), (1440, "dark"), (360, "light")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        new = {(scheme, each) for each in page.evaluate(LOOKS)} - looks if width == 1440 else set()
        looks |= new
        if scheme == "dark":
            options = {"runOnly": COLOURS} if new else None
        elif width == 1440:
            options = {"rules": WITH_SIZES | {rule: {"enabled": bool(new)} for rule in COLOURS}}
        else:
            options = {"runOnly": LAYOUT, "rules": WITH_SIZES}
        violations = page.evaluate("(options) => axe.run(options)", BRIEFLY | options)["violations"] if options else []
        for violation in violations:
            found[f"{name}, {width}, {scheme}: {violation['id']}"] = [node["html"][:120] for node in violation["nodes"]]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found[f"{name}, {width}: scrolls sideways"] = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1440, "height": 800})
    page.evaluate("document.querySelectorAll('.bar').forEach((bar) => { bar.style.position = ''; })")


def test_dark_is_dark_and_light_is_light(enter, alice, pairs):
    page = enter(alice)
    brightness = """() => ["backgroundColor", "color"].map((what) => {
        const parts = getComputedStyle(document.body)[what].match(/[\\d.]+/g).slice(0, 3);
        return parts.reduce((sum, part) => sum + Number(part), 0) / 765;
    })"""
    for scheme, is_dark in (("light", False), ("dark", True)):
        page.emulate_media(color_scheme=scheme)
        paper, ink = page.evaluate(brightness)
        assert (paper < 0.2, ink > 0.8) == (is_dark, is_dark)
        assert abs(paper - ink) > 0.7


SHOWN = """() => {
    const texts = [document.title];
    const names = ".user, .brand, [lang=en], [name=time_zone], [name=language]";
    const theirs = `[data-response], [data-prompt-bar] button, #past a, .text, code, pre, script, textarea, ${names}`;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        if (!walker.currentNode.parentElement.closest(theirs)) texts.push(walker.currentNode.data);
    }
    for (const name of ["aria-label", "placeholder", "title", "alt"])
        for (const element of document.querySelectorAll(`[${name}]`)) texts.push(element.getAttribute(name));
    return texts.map((text) => text.replace(/\\s+/g, " ").trim()).filter(Boolean);
}"""


@pytest.mark.long
@pytest.mark.once  # no word depends on the database
@pytest.mark.timeout(600)
@pytest.mark.browser_context_args(locale="zh-CN")
def test_in_chinese_no_word_is_english_after_the_steps_of_a_page(walk, every_page):  # noqa: F811
    """Of the pages without steps, tests/test_every_page.py reads more: also what a browser hides."""
    english, left_over = compile_english(), {}
    for name, page in walk(names=[name for name, (*_, last) in every_page.items() if callable(last)]):
        assert page.evaluate("document.documentElement.lang") == "zh-hans"
        shown = [text for text in page.evaluate(SHOWN) if text not in PEOPLE]
        assert any(re.search(r"[\u4e00-\u9fff]", text) for text in shown), name
        if found := [text for text in shown if english.fullmatch(text)]:
            left_over[name] = found
    assert not left_over, json.dumps(left_over, indent=1, ensure_ascii=False)


WORDS = ["A is better", "B is better", "Tie", "Both bad", "Skip", "Undo", "Keys", "Which answer is better?", "Sign out"]


def test_the_words_of_the_comparison_page_change_with_the_button_for_the_language(at_work):
    await_ready(at_work)
    at_work.keyboard.press("Digit1")
    await_judged(at_work, 1)
    shown = read_answers(at_work)
    everything = at_work.locator("body")
    for word in WORDS:
        expect(everything).to_contain_text(word)
    find_button(at_work, "中文").click()
    expect(at_work.locator("html")).to_have_attribute("lang", "zh-hans")
    with override("zh-hans"):
        chinese = {word: gettext(word) for word in WORDS}
    for word, translated in chinese.items():
        assert word != translated
        expect(everything).to_contain_text(translated)
        expect(everything).not_to_contain_text(word)
    assert read_answers(at_work) == shown
    at_work.keyboard.press("Digit2")
    await_sent(at_work)
    find_button(at_work, "English").click()
    await_judged(at_work, 2)

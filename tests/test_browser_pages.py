"""Every page in every state: axe, light and dark, narrow and wide, Chinese."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils.translation import gettext, override, trans_real
from playwright.sync_api import expect

from tests.browsing import await_judged, await_ready, await_sent, excuse, find_button, read_answers, sign_in
from tests.every_page import every_page  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AXE_PARTS = 4


@pytest.fixture
def walk(every_page, live_server, context, troubles):  # noqa: F811
    """walk(): (name, page) of each page in turn, in a window of a given width, for one person after another."""

    def walk(width=1280, pages=slice(None)):
        page, who = context.new_page(), None
        page.set_viewport_size({"width": width, "height": 800})
        page.on("dialog", lambda dialog: dialog.accept())
        by_person = sorted(every_page.items(), key=lambda item: getattr(item[1][0], "pk", 0))
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
@pytest.mark.parametrize("part", range(AXE_PARTS))
def test_axe_finds_nothing_on_any_page_wide_or_narrow_light_or_dark(walk, context, part):
    context.add_init_script(Axe().axe_script)
    found = {}
    for name, page in walk(1440, slice(part, None, AXE_PARTS)):
        look_wide_and_narrow(page, name, found)
        if name == "code":
            page.keyboard.press("?")
            look_wide_and_narrow(page, "keys", found)
            page.keyboard.press("Escape")
            page.keyboard.press("KeyG")
            look_wide_and_narrow(page, "guideline beside the answers", found)
            page.keyboard.press("KeyG")
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)


def look_wide_and_narrow(page, name, found):
    """What axe finds in a wide window and at a phone's width, and where the page scrolls sideways."""
    for width in (1440, 360):
        page.set_viewport_size({"width": width, "height": 800})
        look(page, f"{name}, {width}", found, SCHEMES if width == 1440 else SCHEMES[:1])
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found[f"{name}, {width}: scrolls sideways"] = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1440, "height": 800})


BRIEFLY = {"resultTypes": ["violations"], "preload": False, "selectors": False}  # no page has audio or video
EVERYTHING = BRIEFLY | {"rules": {"target-size": {"enabled": True}}}
COLOURS = BRIEFLY | {"runOnly": ["color-contrast", "link-in-text-block"]}
SCHEMES = (("light", EVERYTHING), ("dark", COLOURS))


def look(page, name, found, schemes):
    """What axe finds in the light theme, and what changes with the colours of the dark one.

    The bar of a comparison takes its place below the answers meanwhile: axe takes a button that is half behind it for
    too small. That nothing stays behind it is a test of its own (test_browser_bar.py).

    schemes: entries of SCHEMES.
    """
    page.evaluate("document.querySelectorAll('.bar').forEach((bar) => { bar.style.position = 'static'; })")
    for scheme, rules in schemes:
        page.emulate_media(color_scheme=scheme)
        for violation in page.evaluate("(rules) => axe.run(rules)", rules)["violations"]:
            places = [node["html"][:120] for node in violation["nodes"]]
            found[f"{name}, {scheme}: {violation['id']}"] = places
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


@pytest.fixture
def english():
    """A pattern for each English text with a Chinese translation; a placeholder matches a number or anything."""
    with override("zh-hans"):
        catalogue = trans_real.translation("zh-hans")._catalog
        texts = {key[0] if isinstance(key, tuple) else key for key, _ in catalogue.items()}
        translated = {text for text in texts if text and gettext(text) != text}
    gap = r"%%|%(?:\(\w+\))?[sd]|\{\w*\}"
    number = r"%\((?:n|shown|place)\)s"
    patterns = (
        "".join(
            r"[\d.,]+" if re.fullmatch(number, part) else ".+" if re.fullmatch(gap, part) else re.escape(part)
            for part in re.split(f"({gap})", text)
        )
        for text in translated
    )
    return re.compile("|".join(pattern for pattern in patterns if re.search(r"[A-Za-z]{2}", pattern)))


PEOPLE = ("admin", "alice", "bob")


@pytest.mark.long
@pytest.mark.once  # no word depends on the database, and test_charts.py asks PostgreSQL for each page
@pytest.mark.timeout(600)
@pytest.mark.browser_context_args(locale="zh-CN")
def test_in_chinese_no_word_of_the_pages_is_english(walk, english):
    left_over = {}
    for name, page in walk():
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

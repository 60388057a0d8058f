"""Long texts: folded turns, the prompt on a line, differences one after the other, find, columns that scroll alone."""

import pytest
from playwright.sync_api import expect

from tests.browsing import await_judged, find_button, press

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]

TURNS = [{"role": ("user", "assistant")[n % 2], "content": f"Turn {n}."} for n in range(6)]
ASKED = {"role": "user", "content": "Explain *editing*.\n\nAt length."}
WORDS = "\n\n".join(f"Paragraph {n} **of** the answer. " + "word " * 60 for n in range(30))
ANSWERS = [WORDS, WORDS.replace("Paragraph 4 ", "Section 4 ").replace("Paragraph 25 ", "Section 25 ")]


@pytest.fixture
def reading(enter, alice, make_dataset):
    """Alice before two long answers to the last of seven turns."""
    make_dataset([{"messages": [*TURNS, ASKED], "responses": ANSWERS}])
    return enter(alice)


def is_in_view(locator):
    return locator.evaluate("""(one) => {
        const {top, bottom} = one.getBoundingClientRect();
        return top >= 0 && bottom <= document.querySelector(".bar").getBoundingClientRect().top;
    }""")


def test_all_earlier_turns_but_two_are_folded(reading):
    turns = reading.locator("section.prompt .turn:visible .text")
    assert turns.all_inner_texts() == ["Turn 4.", "Turn 5."]
    reading.get_by_text("Show 4 earlier turns").click()
    assert turns.all_inner_texts() == [f"Turn {n}." for n in range(6)]


def test_the_prompt_stays_on_a_line_and_unfolds(reading):
    bar = reading.locator("[data-prompt-bar]")
    expect(bar).to_be_hidden()
    reading.locator("[data-response=left]").evaluate("(one) => scrollTo(0, one.offsetTop + 1500)")
    expect(bar).to_be_visible()
    expect(bar.get_by_role("button")).to_contain_text("Explain editing.")
    assert bar.bounding_box()["y"] == 0
    assert bar.bounding_box()["height"] < 50
    press(reading, "KeyP")
    expect(bar.locator(".text")).to_contain_text("At length.")
    press(reading, "KeyP")
    expect(bar.locator(".text")).to_have_count(0)
    reading.evaluate("scrollTo(0, 0)")
    expect(bar).to_be_hidden()


def test_n_goes_from_difference_to_difference(reading):
    now = reading.locator("mark.now")
    press(reading, "KeyN")
    expect(now).to_have_count(1)
    first = now.inner_text()
    assert is_in_view(now)
    seen = {now.evaluate("(one) => one.getBoundingClientRect().top + scrollY")}
    for _ in range(3):
        press(reading, "KeyN")
        assert is_in_view(now)
        seen.add(now.evaluate("(one) => one.getBoundingClientRect().top + scrollY"))
    assert len(seen) == 2, "two differences, each on both sides"
    press(reading, "KeyN")
    assert now.inner_text() == first, "the first follows the last"
    press(reading, "Shift+KeyN")
    assert is_in_view(now)


def test_find_goes_to_each_place_and_opens_what_is_folded(reading):
    press(reading, "Slash")
    field, count = reading.locator("#find input"), reading.locator("#find output")
    expect(field).to_be_focused()
    field.fill("paragraph 25 of")
    expect(count).to_have_text("1 / 1")
    assert is_in_view(reading.locator("[data-response] p", has_text="Paragraph 25 "))
    field.fill("turn")
    expect(count).to_have_text("1 / 6")
    expect(reading.get_by_text("Turn 0.")).to_be_visible()
    for _ in range(5):
        press(reading, "Enter")
    expect(count).to_have_text("6 / 6")
    press(reading, "Enter")
    expect(count).to_have_text("1 / 6")
    press(reading, "Shift+Enter")
    expect(count).to_have_text("6 / 6")
    field.fill("nothing of this")
    expect(count).to_have_text("0 / 0")
    press(reading, "Escape")
    expect(field).to_be_hidden()
    press(reading, "Digit1")
    await_judged(reading, 1)


def test_find_reads_what_is_shown(reading):
    press(reading, "Slash")
    reading.locator("#find input").fill("**of**")
    expect(reading.locator("#find output")).to_have_text("0 / 0")
    press(reading, "Escape", "KeyM", "Slash")
    reading.locator("#find input").fill("**of**")
    expect(reading.locator("#find output")).to_have_text("1 / 60")


def test_columns_scroll_together_or_each_by_itself(reading):
    left = reading.locator("[data-response=left]")
    assert left.evaluate("(one) => one.scrollHeight <= one.clientHeight + 1")
    press(reading, "KeyV")
    find_button(reading, "Each answer separately").click()
    press(reading, "Escape")
    assert left.evaluate("(one) => one.scrollHeight > one.clientHeight + 100")
    left.hover()
    reading.mouse.wheel(0, 400)
    reading.wait_for_timeout(200)
    assert left.evaluate("(one) => one.scrollTop") > 0
    assert reading.locator("[data-response=right]").evaluate("(one) => one.scrollTop") == 0
    reading.reload()
    assert left.evaluate("(one) => one.scrollHeight > one.clientHeight + 100")
    press(reading, "KeyV")
    expect(find_button(reading, "Each answer separately")).to_have_attribute("aria-pressed", "true")


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_the_turns_unfold_too(enter, alice, make_dataset):
    make_dataset([{"messages": [*TURNS, ASKED], "responses": ["a", "b"]}])
    page = enter(alice)
    expect(page.get_by_text("Turn 0.")).to_be_hidden()
    page.get_by_text("Show 4 earlier turns").click()
    expect(page.get_by_text("Turn 0.")).to_be_visible()

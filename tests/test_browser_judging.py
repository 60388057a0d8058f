"""Judging pairs in a real browser: mouse, keys, undo, no JavaScript."""

import pytest
from playwright.sync_api import expect

from datasets.models import Judgment
from tests.browsing import (
    PAGE,
    await_change,
    await_judged,
    await_page,
    await_ready,
    await_sent,
    expect_all_done,
    find_button,
    focus,
    list_verdicts,
    read_answers,
    watch_posts,
)
from tests.conftest import build_rows

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]


def test_judging_by_mouse(at_work):
    names = ["A is better", "B is better", "Tie", "Both bad"]
    for n, name in enumerate(names, 1):
        find_button(at_work, name).click()
        await_judged(at_work, n)
    shown = read_answers(at_work)
    find_button(at_work, "Skip").click()
    await_change(at_work, shown)
    find_button(at_work, "Undo").click()
    expect(at_work.locator("[data-response=left]")).to_have_text(shown[0])
    find_button(at_work, "B is better").click()
    await_judged(at_work, 5)
    assert list_verdicts() == ["left", "right", "tie", "both_bad", "right"]


def test_fifty_comparisons_by_keys_alone_from_the_sign_in_on(context, alice, make_dataset):
    make_dataset(build_rows(50))
    page = context.new_page()
    posts = watch_posts(page)
    page.goto(PAGE)
    focus(page, "#id_username")
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type("demo")
    page.keyboard.press("Enter")
    await_page(page)
    del posts[:]
    keys = {"Digit1": "left", "ArrowRight": "right", "Digit0": "tie", "KeyB": "both_bad", "ArrowLeft": "left"}
    keys |= {"Digit2": "right", "Numpad1": "left", "Numpad2": "right", "Numpad0": "tie"}
    pressed = []
    for n in range(1, 51):
        key = list(keys)[n % len(keys)]
        page.keyboard.press(key)
        await_judged(page, n)
        pressed.append(keys[key])
    assert list_verdicts() == pressed
    assert len(posts) == 50
    expect_all_done(page)


def test_from_the_start_page_tab_and_enter_lead_to_a_verdict(enter, alice, pairs):
    page = enter(alice, "/")
    focus(page, f"a[href='{PAGE}']")
    page.keyboard.press("Enter")
    await_page(page)
    focus(page, "button[value=tie]")
    page.keyboard.press("Enter")
    await_judged(page, 1)
    assert list_verdicts() == ["tie"]


def test_keys_with_modifiers_do_nothing(at_work):
    for modifier in ("Control", "Alt", "Meta", "Shift"):
        for key in ("Digit1", "ArrowRight", "KeyB", "KeyS"):
            at_work.keyboard.press(f"{modifier}+{key}")
    at_work.keyboard.press("Digit2")
    await_judged(at_work, 1)
    assert list_verdicts() == ["right"]
    assert not Judgment.objects.filter(state="skipped").exists()


def test_keys_go_by_their_place_under_an_input_method_and_another_layout(at_work):
    for n, (key, code) in enumerate([("Process", "Digit1"), ("é", "Digit2"), ("à", "Digit0"), ("ㄖ", "KeyB")], 1):
        press = "([key, code]) => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, code, bubbles: true}))"
        at_work.evaluate(press, [key, code])
        await_judged(at_work, n)
    assert list_verdicts() == ["left", "right", "tie", "both_bad"]


def test_a_key_held_down_judges_once(at_work):
    at_work.keyboard.down("Digit1")
    await_judged(at_work, 1)
    for _ in range(5):
        at_work.keyboard.down("Digit1")
    at_work.keyboard.up("Digit1")
    at_work.keyboard.press("Digit2")
    await_judged(at_work, 2)
    assert list_verdicts() == ["left", "right"]


def test_enter_held_down_on_a_button_judges_once(at_work):
    find_button(at_work, "B is better").focus()
    for _ in range(5):
        at_work.keyboard.down("Enter")
    await_judged(at_work, 1)
    for _ in range(5):
        at_work.keyboard.down("Enter")
    at_work.keyboard.up("Enter")
    at_work.keyboard.press("Digit1")
    await_judged(at_work, 2)
    assert list_verdicts() == ["right", "left"]


def test_keys_faster_than_the_server_save_one_judgment_each_or_none(at_work):
    posts = watch_posts(at_work)
    for _ in range(8):
        at_work.keyboard.press("Digit1")
    await_sent(at_work)
    await_judged(at_work, len(posts))
    assert set(Judgment.objects.filter(state="saved").values_list("revision", flat=True)) == {1}


def test_a_key_pressed_the_moment_the_next_comparison_appears_counts_and_loads_no_page(at_work):
    await_ready(at_work)
    at_work.evaluate("""() => {
        window.samePage = true;
        const press = () => document.body.dispatchEvent(new KeyboardEvent("keydown", {code: "Digit2", bubbles: true}));
        new MutationObserver((_, seen) => { seen.disconnect(); press(); }).observe(work, {childList: true});
    }""")
    at_work.keyboard.press("Digit1")
    await_judged(at_work, 2)
    assert sorted(list_verdicts()) == ["left", "right"], "both travel at once"
    assert at_work.evaluate("window.samePage")


@pytest.mark.parametrize("slow", [False, True])
def test_a_double_click_judges_once(at_work, slow):
    place = find_button(at_work, "A is better").bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    if slow:  # the next comparison is already shown when the second click comes
        at_work.mouse.click(x, y)
        await_judged(at_work, 1)
        at_work.mouse.move(x, y)
        at_work.mouse.down(click_count=2)
        at_work.mouse.up(click_count=2)
    else:
        at_work.mouse.dblclick(x, y)
        await_judged(at_work, 1)
    at_work.keyboard.press("Digit2")
    await_judged(at_work, 2)
    assert list_verdicts() == ["left", "right"]


def test_u_undoes_and_k_keeps(at_work):
    shown = read_answers(at_work)
    at_work.keyboard.press("Digit2")
    await_judged(at_work, 1)
    at_work.keyboard.press("KeyU")
    expect(at_work.get_by_text("Your previous answer: B is better.")).to_be_visible()
    assert read_answers(at_work) == shown
    at_work.keyboard.press("KeyK")
    expect(at_work.get_by_text("Your previous answer")).to_have_count(0)
    await_judged(at_work, 1)
    at_work.keyboard.press("KeyU")
    expect(at_work.get_by_text("Your previous answer: B is better.")).to_be_visible()
    at_work.keyboard.press("Digit1")
    expect(at_work.get_by_text("Your previous answer")).to_have_count(0)
    await_judged(at_work, 1)
    assert list_verdicts() == ["left"]


def test_the_question_mark_opens_the_keys_and_escape_closes_them(at_work):
    keys = at_work.get_by_role("dialog", name="Keys")
    at_work.keyboard.press("?")
    expect(keys).to_be_visible()
    at_work.keyboard.press("Digit1")
    at_work.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    find_button(at_work, "Keys").click()
    expect(keys).to_be_visible()
    find_button(at_work, "Close").click()
    expect(keys).to_be_hidden()
    at_work.keyboard.press("Digit2")
    await_judged(at_work, 1)
    at_work.keyboard.press("?")
    expect(keys).to_be_visible()
    assert list_verdicts() == ["right"]


def test_back_and_forward_after_a_verdict_save_nothing_twice(enter, alice, pairs):
    page = enter(alice, "/")
    page.get_by_role("link", name="Annotate demo").click()
    await_page(page)
    page.keyboard.press("Digit1")
    await_judged(page, 1)
    shown = read_answers(page)
    page.go_back()
    page.go_forward()
    await_judged(page, 1)
    assert read_answers(page) == shown
    page.keyboard.press("Digit2")
    await_judged(page, 2)
    assert list_verdicts() == ["left", "right"]


def test_two_tabs_show_the_same_comparison_and_save_one_judgment(at_work, context):
    other = context.new_page()
    other.goto(PAGE)
    assert read_answers(other) == read_answers(at_work)
    await_ready(at_work), await_ready(other)
    at_work.keyboard.press("Digit1")
    await_judged(at_work, 1)
    other.keyboard.press("Digit2")
    expect(other.get_by_text("Already saved: A is better.")).to_be_visible()
    await_judged(other, 1)
    assert read_answers(other) == read_answers(at_work)
    assert list_verdicts() == ["left"]


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_one_judges_skips_and_undoes(at_work):
    shown = read_answers(at_work)
    find_button(at_work, "A is better").click()
    await_judged(at_work, 1)
    find_button(at_work, "Skip").click()
    find_button(at_work, "Undo").click()
    find_button(at_work, "Tie").click()
    await_judged(at_work, 2)
    find_button(at_work, "Undo").click()
    expect(at_work.get_by_text("Your previous answer: Tie.")).to_be_visible()
    find_button(at_work, "Undo").click()
    assert read_answers(at_work) == shown
    find_button(at_work, "B is better").click()
    find_button(at_work, "Keep").click()
    await_judged(at_work, 2)
    assert list_verdicts() == ["tie", "right"]
    expect(find_button(at_work, "Keys")).to_be_hidden()


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_back_after_a_verdict_saves_nothing_twice(at_work):
    find_button(at_work, "A is better").click()
    await_judged(at_work, 1)
    at_work.go_back()
    if at_work.url.endswith(PAGE):
        find_button(at_work, "B is better").click()
        expect(at_work.locator("[data-response=left]")).to_be_visible()
    first = Judgment.objects.earliest("pk")
    assert (first.verdict, first.revision) == ("left", 1)
    assert set(Judgment.objects.filter(state="saved").values_list("revision", flat=True)) == {1}

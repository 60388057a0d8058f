"""Entries beside the verdict: stars, criteria, reasons, better answers, flags. Enter alone does nothing."""

import re

import pytest
from playwright.sync_api import expect

from annotate.judging.record import record
from annotate.queue.lease import lease_next
from datasets.comparisons.gold import create_gold
from datasets.models import Choice, Comparison, Judgment, Response
from tests.browsing import (
    await_change,
    await_judged,
    await_judgments,
    await_ready,
    await_sent,
    excuse,
    expect_all_done,
    find_button,
    find_option,
    get_last,
    list_verdicts,
    press,
    read_answers,
    watch_posts,
)
from tests.conftest import build_rows

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]

CRITERIA = [{"name": "helpful", "guideline": "does it"}, {"name": '有帮助: "<b>', "guideline": ""}]


@pytest.fixture
def asked(enter, alice, make_dataset):
    """asked(**settings): alice on the page of the first of six pairs."""

    def begin(**settings):
        make_dataset(build_rows(6), **settings)
        return enter(alice)

    return begin


# --- stars and criteria -----------------------------------------------------------------------------------------------


def test_stars_that_contradict_the_verdict_are_told_once(asked):
    page = asked(with_stars=True)
    told = page.get_by_text("The chosen answer has fewer stars than the other")
    press(page, "Digit2", "Digit5", "Digit1")
    await_judged(page, 1)
    expect(told).to_be_visible()
    assert get_last() == ("left", {"stars": [2, 5]})
    press(page, "Digit2", "Digit5", "Digit2")
    await_judged(page, 2)
    expect(told).to_have_count(0)


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_the_contradiction_is_told_once_too(asked):
    page = asked(with_stars=True)
    find_option(page, "stars_left", 1).click()
    find_option(page, "stars_right", 4).click()
    find_button(page, "A is better").click()
    await_judged(page, 1)
    told = page.get_by_text("The chosen answer has fewer stars than the other")
    expect(told).to_be_visible()
    page.reload()
    expect(told).to_have_count(0)


def test_the_rows_of_the_criteria_are_filled_in_turn_then_comes_the_verdict(asked):
    page = asked(criteria=CRITERIA)
    posts = watch_posts(page)
    press(page, "Digit0", "KeyB", "Backspace", "Digit2")
    assert not posts
    press(page, "Digit1")
    await_judged(page, 1)
    said = {"helpful": {"verdict": ["tie"]}, CRITERIA[1]["name"]: {"verdict": ["right"]}}
    assert get_last() == ("left", {"criteria": said})
    assert set(Choice.objects.values_list("criterion", "strength")) == {
        ("", 1),
        ("helpful", 0),
        (CRITERIA[1]["name"], 1),
    }


def test_a_row_that_was_left_out_is_pointed_out(asked):
    page = asked(criteria=CRITERIA)
    posts = watch_posts(page)
    groups = page.locator(".steps .group")
    groups.nth(1).locator("legend").click()
    groups.nth(1).locator("label", has_text="Tie").click()
    expect(find_button(page, "A is better")).to_be_hidden()
    page.evaluate("document.querySelector('[name=verdict][value=left]').click()")
    expect(page.get_by_text("Please answer this first.")).to_be_visible()
    expect(page.locator("[data-group].wrong legend")).to_contain_text("helpful")
    assert not posts
    press(page, "ArrowLeft")
    expect(page.locator("[data-group].wrong")).to_have_count(0)
    expect(find_button(page, "A is better")).to_be_visible()
    assert not posts


def test_the_rows_of_a_scale_take_its_digits(asked):
    page = asked(question="scale", criteria=CRITERIA[:1])
    press(page, "Digit7", "Digit4")
    await_judged(page, 1)
    assert get_last() == ("tie", {"criteria": {"helpful": {"verdict": ["right3"]}}})


def test_criteria_by_hand(asked, hand):
    page = asked(criteria=CRITERIA)
    for row, words in enumerate(("B is better", "Both bad")):
        hand(page.locator(".steps .group").nth(row).locator("label", has_text=words).last)
    hand(find_button(page, "Tie"))
    await_judged(page, 1)
    said = [part["verdict"] for part in get_last()[1]["criteria"].values()]
    assert said in ([["right"], ["both_bad"]], [["both_bad"], ["both_bad"]])


def test_best_and_worst_are_asked_for_each_criterion(enter, alice, make_dataset):
    make_dataset(build_rows(2, answers=3), question="best_worst", fewest_shown=3, most_shown=3, criteria=CRITERIA[:1])
    page = enter(alice)
    expect(page.locator("[data-group].turn legend").first).to_contain_text("Rank")
    press(page, "Digit1", "Digit2")
    expect(page.locator("[data-group].turn legend").first).to_contain_text("helpful")
    press(page, "Digit3", "Digit1", "Enter")
    await_judged(page, 1)
    assert get_last() == ("rank", {"rank": [1, 3, 2], "criteria": {"helpful": {"rank": [3, 2, 1]}}})


# --- reasons ----------------------------------------------------------------------------------------------------------


def test_reasons_may_be_given_before_the_verdict(asked):
    page = asked(reasons="optional")
    press(page, "KeyR", "Digit2", "Digit4", "Digit2", "Digit1", "Escape", "Digit1")
    await_judged(page, 1)
    assert get_last() == ("left", {"reasons": ["more correct", "clearer"]})
    press(page, "Digit2")
    await_judged(page, 2)
    assert get_last() == ("right", {})


def test_where_a_reason_is_required_the_verdict_waits_for_it(asked):
    page = asked(reasons="required")
    posts = watch_posts(page)
    press(page, "Digit2")
    expect(page.get_by_text("Pick or write a reason; Enter saves.")).to_be_visible()
    expect(find_button(page, "B is better")).to_have_class("verdict awaiting")
    assert not posts
    press(page, "Digit3", "Enter")
    await_judged(page, 1)
    assert get_last() == ("right", {"reasons": ["more complete"]})
    press(page, "Digit0")
    page.get_by_placeholder("Other reason (free text)").fill("两个都 1 一样")
    press(page, "Enter")
    await_judged(page, 2)
    assert get_last() == ("tie", {"reason": "两个都 1 一样"})


def test_enter_that_ends_a_word_of_an_input_method_saves_nothing(asked):
    page = asked(reasons="required")
    posts = watch_posts(page)
    press(page, "Digit1")
    page.get_by_placeholder("Other reason (free text)").fill("好")
    page.evaluate("""() => document.activeElement.dispatchEvent(
        new KeyboardEvent("keydown", {key: "Enter", code: "Enter", isComposing: true, bubbles: true}))""")
    assert not posts
    press(page, "Enter")
    await_judged(page, 1)


def test_reasons_by_hand(asked, hand):
    page = asked(reasons="required")
    hand(page.get_by_text("Why?"))
    hand(find_option(page, "reasons", "safer"))
    hand(find_button(page, "Both bad"))
    await_judged(page, 1)
    assert get_last() == ("both_bad", {"reasons": ["safer"]})


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_a_missing_reason_is_asked_for_and_nothing_is_lost(asked, troubles):
    page = asked(reasons="required", with_stars=True)
    find_option(page, "stars_left", 4).click()
    find_option(page, "stars_right", 2).click()
    find_button(page, "A is better").click()
    expect(page.get_by_role("alert")).to_contain_text("Give a reason")
    page.get_by_placeholder("Other reason (free text)").fill("it is")
    find_button(page, "A is better").click()
    await_judged(page, 1)
    assert get_last() == ("left", {"stars": [4, 2], "reason": "it is"})
    excuse(troubles, "422")


# --- better answers ---------------------------------------------------------------------------------------------------


def test_a_better_answer_typed_without_a_network_is_sent_later(asked, context, troubles):
    page = asked(allow_repair=True)
    await_ready(page)
    press(page, "KeyE")
    area = page.get_by_label("Edited answer").first
    expect(area).to_be_focused()
    area.fill("A far better answer: 1 2 3\n\nb s u")
    context.set_offline(True)
    press(page, "Escape")
    shown = read_answers(page)
    press(page, "Digit2")
    await_change(page, shown)
    expect(page.get_by_role("alert")).to_be_visible()
    assert list_verdicts() == []
    context.set_offline(False)
    await_judged(page, 1)
    repair = Response.objects.get(source=Response.REPAIR)
    assert repair.text == "A far better answer: 1 2 3\n\nb s u"
    assert Choice.objects.filter(chosen=repair).count() == 1
    excuse(troubles, "INTERNET_DISCONNECTED")


def test_typed_text_stays_in_its_form_while_another_judgment_is_undone(asked):
    page = asked(allow_repair=True)
    await_ready(page)
    press(page, "Digit1")
    await_judged(page, 1)
    press(page, "KeyE")
    page.get_by_label("Edited answer").first.fill("Typed.")
    press(page, "Escape", "KeyU")
    expect(page.get_by_text("Your previous answer: A is better.")).to_be_visible()
    press(page, "KeyK")
    expect(page.get_by_label("Edited answer").first).to_have_value("Typed.")


def test_where_all_were_bad_somebody_else_writes_a_better_answer(enter, alice, bob, make_dataset, troubles):
    dataset = make_dataset(build_rows(1), repair_round=True)
    record(lease_next(bob, dataset), 0, "both_bad")
    page = enter(alice)
    expect(page.locator(".notice", has_text="All answers were judged bad. Write a better one.")).to_be_visible()
    expect(find_button(page, "A is better")).to_have_count(0)
    find_button(page, "Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Write a better answer first.")
    press(page, "KeyE")
    page.keyboard.type("Better: 1")
    press(page, "Enter", "Escape", "Enter")
    expect_all_done(page)
    await_sent(page)
    assert Response.objects.get(source=Response.REPAIR).text == "Better: 1\n"
    assert Choice.objects.filter(chosen__source=Response.REPAIR).count() == 2
    excuse(troubles, "422")


# --- flags ------------------------------------------------------------------------------------------------------------


def test_f_opens_the_flags_a_digit_chooses_and_enter_flags(asked):
    page = asked(allow_flag=True)
    shown = read_answers(page)
    press(page, "KeyF", "Enter", "Digit3", "Tab")
    page.keyboard.type("cut off at 1")
    press(page, "Enter")
    await_change(page, shown)
    await_sent(page)
    judgment = Judgment.objects.exclude(flag="").get()
    assert (judgment.flag, judgment.said, judgment.verdict) == ("broken", {"note": "cut off at 1"}, "")
    assert Comparison.objects.get(held="flagged") == judgment.comparison


def test_a_flag_by_hand(asked, hand):
    page = asked(allow_flag=True)
    hand(page.get_by_text("Report a problem"))
    hand(find_option(page, "flag", "unsafe"))
    shown = read_answers(page)
    hand(find_button(page, "Submit report"))
    await_change(page, shown)
    await_judgments(1, state="skipped", flag="unsafe")


# --- keys -------------------------------------------------------------------------------------------------------------


def test_keys_of_every_kind_go_by_their_place_on_the_keyboard(asked):
    page = asked(with_stars=True, criteria=CRITERIA[:1], reasons="required", allow_flag=True, allow_repair=True)
    tap = """([key, code]) => document.activeElement.dispatchEvent(
        new KeyboardEvent("keydown", {key, code, bubbles: true, cancelable: true}))"""
    for key, code in [("&", "Digit1"), ("Process", "Digit4"), ("ㄅ", "Digit2"), ("ㄖ", "KeyB"), ('"', "Digit3")]:
        page.evaluate(tap, [key, code])
    press(page, "Enter")
    await_judged(page, 1)
    said = {"stars": [1, 4], "criteria": {"helpful": {"verdict": ["right"]}}, "reasons": ["more complete"]}
    assert get_last() == ("both_bad", said)


BESIDES = {"reasons": "optional", "allow_repair": True, "allow_flag": True}
EVERYTHING = {"with_stars": True, "criteria": CRITERIA, **BESIDES}
FIELDS = "form[data-comparison] input:not([type=hidden])"


@pytest.mark.parametrize("besides", [BESIDES, EVERYTHING])
def test_enter_in_a_radio_button_a_box_or_a_field_gives_no_verdict(asked, besides):
    page = asked(**besides)
    posts = watch_posts(page)
    page.get_by_text("Report a problem").click()
    for field in page.locator(FIELDS).all():
        if field.evaluate("(field) => !!field.closest('[data-flag]')"):
            continue  # Enter presses “flag it” there
        field.focus()
        if field.get_attribute("type") in ("radio", "checkbox"):
            press(page, "Space")
        press(page, "Enter")
    assert not posts
    assert not Judgment.objects.exclude(state="leased").exists()


@pytest.mark.parametrize("field", ["reason", "note", "reasons", "flag"])
@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_enter_in_a_field_gives_no_verdict_and_loses_nothing(asked, troubles, field):
    page = asked(**BESIDES)
    page.get_by_placeholder("Other reason (free text)").fill("Because.")
    page.get_by_text("Report a problem").click()
    page.locator(f"[name={field}]").first.focus()
    press(page, "Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_placeholder("Other reason (free text)")).to_have_value("Because.")
    assert not Judgment.objects.exclude(state="leased").exists()
    excuse(troubles, "422")


def test_keys_fill_in_the_criteria_of_practice_before_they_give_the_verdict(enter, make_dataset, admin, alice):
    criteria = [{"name": "truth", "guideline": ""}, {"name": "style", "guideline": ""}]
    dataset = make_dataset(build_rows(4), practice=1, criteria=criteria, reasons="required")
    judgment = lease_next(admin, dataset)
    record(judgment, 0, "left")
    judgment.refresh_from_db()
    create_gold(judgment, "It says so.", for_practice=True, by=admin)
    page = enter(alice, "/annotate/demo/practice/")
    page.keyboard.press("2")
    page.keyboard.press("0")
    expect(page.locator("input[value=right]:checked")).to_have_count(1)
    expect(page.locator("input[value=tie]:checked")).to_have_count(1)
    page.keyboard.press("2")
    expect(page.get_by_text("Pick or write a reason")).to_be_visible()
    assert page.url.endswith("/practice/")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile("Correct|Not the expected answer"))).to_be_visible()
    judgment = Judgment.objects.get(purpose="practice")
    assert judgment.verdict == "right"
    assert judgment.said["criteria"] == {"truth": {"verdict": ["right"]}, "style": {"verdict": ["tie"]}}
    assert len(judgment.said["reasons"]) == 1

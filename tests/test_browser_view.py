"""How answers are shown: differences, one at a time, text size, time at work; and blindness."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from playwright.sync_api import expect

from datasets.models import Judgment, Response
from tests.browsing import PAGE, PHONE, await_judged, await_ready, await_sent, find_button, press, wait_for
from tests.conftest import build_rows
from tests.every_page import find_row_with

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]


# --- raw text ---------------------------------------------------------------------------------------------------------

BOLD = [{"prompt": f"{n}?", "responses": [f"**{n} one**", f"**{n} two**"]} for n in range(6)]


def read_shown(page):
    """The texts of the answers as the page shows them now, without the number of their prompt."""
    shown = page.locator(".answer :is(.text, .raw):visible").all_inner_texts()
    return sorted(re.sub(r"\d ", "", text) for text in shown)


RENDERED, RAW = ["one", "two"], ["**one**", "**two**"]


def test_m_shows_raw_texts_and_is_remembered(enter, alice, make_dataset):
    make_dataset(BOLD)
    page = enter(alice)
    assert read_shown(page) == RENDERED
    press(page, "KeyM")
    assert read_shown(page) == RAW
    press(page, "Digit1")
    await_judged(page, 1)
    assert read_shown(page) == RAW
    page.reload()
    assert read_shown(page) == RAW
    page.goto(f"/annotate/demo/history/{Judgment.objects.get(state='saved').pk}/")
    assert read_shown(page) == RAW
    press(page, "KeyM")
    assert read_shown(page) == RENDERED
    page.goto(PAGE)
    assert read_shown(page) == RENDERED
    assert page.evaluate("localStorage.getItem('chosen-raw')") is None


def test_raw_as_the_datasets_own_setting_can_be_switched_off(enter, alice, make_dataset):
    make_dataset(BOLD, show_answers="raw")
    page = enter(alice)
    assert read_shown(page) == RAW
    press(page, "KeyM")
    page.reload()
    assert read_shown(page) == RENDERED


def test_the_switch_is_pressed_by_any_hand_and_leaves_the_keys_alone(enter, alice, make_dataset, hand):
    make_dataset(BOLD)
    page = enter(alice)
    hand(page.locator(".raw-switch"))
    assert read_shown(page) == RAW
    press(page, "ArrowLeft")
    assert page.locator("#raw-text").is_checked()
    hand(page.locator(".raw-switch"))
    assert read_shown(page) == RENDERED


def test_arrows_still_judge_after_the_switch(enter, alice, make_dataset):
    make_dataset(BOLD)
    page = enter(alice)
    page.locator(".raw-switch").click()
    press(page, "ArrowLeft")
    await_judged(page, 1)
    assert read_shown(page) == RAW


def test_differences_are_marked_in_raw_texts(enter, alice, make_dataset):
    make_dataset(BOLD)
    page = enter(alice)
    press(page, "KeyM", "KeyD")
    expect(page.locator(".raw mark").first).to_be_visible()
    assert sorted(re.sub(r"[*]", "", text) for text in page.locator(".raw mark").all_inner_texts()) == ["one", "two"]
    press(page, "KeyM")
    expect(page.locator(".text mark").first).to_be_visible()
    press(page, "KeyD")
    expect(page.locator("mark")).to_have_count(0)
    assert read_shown(page) == RENDERED


@pytest.mark.own_browser
def test_reasoning_unfolds_and_a_foreign_image_is_never_asked_for(context, enter, alice, make_dataset):
    asked = []
    context.on("request", lambda request: asked.append(request.url))
    thought = "<think>\nHmm.\n</think>\n\n![a cat](https://example.com/cat.png) one"
    make_dataset([{"prompt": "?", "responses": [thought, "two"]}])
    page = enter(alice)
    expect(page.locator(".text").get_by_text("Hmm.")).to_be_hidden()
    page.get_by_text("Reasoning (1 word)").click()
    expect(page.locator(".text").get_by_text("Hmm.")).to_be_visible()
    link = page.get_by_role("link", name="a cat (image)")
    assert (link.get_attribute("href"), link.get_attribute("target")) == ("https://example.com/cat.png", "_blank")
    assert not [url for url in asked if "example.com" in url]


# --- differences ------------------------------------------------------------------------------------------------------

HTML = "(answers) => answers.map((answer) => answer.innerHTML)"


@pytest.mark.parametrize("mark", ["```", "\\(", "|---"])
def test_d_marks_what_differs_and_changes_nothing_else(enter, alice, make_dataset, mark):
    make_dataset([find_row_with(mark)])
    page = enter(alice)
    shown = page.locator("[data-response]")
    plain = shown.evaluate_all(HTML)
    press(page, "KeyD")
    expect(page.locator("[data-response=left] mark").first).to_be_visible()
    expect(page.locator("[data-response=right] mark").first).to_be_visible()
    assert [re.sub("</?mark>", "", html) for html in shown.evaluate_all(HTML)] == plain
    press(page, "KeyD")
    expect(page.locator("mark")).to_have_count(0)
    assert shown.evaluate_all(HTML) == plain
    page.get_by_role("link", name="Differences").click()
    expect(page.locator("mark").first).to_be_visible()


def test_differences_are_of_what_is_shown_and_go_with_it(at_work):
    await_ready(at_work)
    press(at_work, "KeyD")
    expect(at_work.locator("mark").first).to_be_visible()
    press(at_work, "Digit1")
    await_judged(at_work, 1)
    expect(at_work.locator("mark")).to_have_count(0)
    press(at_work, "KeyD")
    expect(at_work.locator("mark").first).to_be_visible()


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_the_differences_are_a_link(at_work):
    plain = at_work.locator("[data-response]").evaluate_all(HTML)
    at_work.get_by_role("link", name="Differences").click()
    expect(at_work.locator("mark").first).to_be_visible()
    at_work.get_by_role("link", name="Differences").click()
    expect(at_work.locator("mark")).to_have_count(0)
    assert at_work.locator("[data-response]").evaluate_all(HTML) == plain
    at_work.get_by_role("link", name="Differences").click()
    find_button(at_work, "Tie").click()
    await_judged(at_work, 1)


def test_a_page_that_came_with_its_differences_shows_it_without_them(at_work):
    at_work.goto(f"{PAGE}?differences")
    expect(at_work.locator("mark").first).to_be_visible()
    press(at_work, "KeyD")
    expect(at_work.locator("mark")).to_have_count(0)


# --- one at a time, and how large -------------------------------------------------------------------------------------


def read_visible(page):
    """The letters of the visible answers."""
    return [text[-1] for text in page.locator(".answer:not([hidden]) h2").all_inner_texts()]


@pytest.fixture
def long(make_dataset):
    text = "A rather long answer.\n\n" * 60
    rows = [{"prompt": f"Why {n}?", "responses": [f"{text}{n} {m}" for m in range(3)]} for n in range(3)]
    return make_dataset(rows, question="stars", most_shown=3)


def swipe(page, start, end):
    touch = page.context.new_cdp_session(page)
    for kind, x in (("Start", start), ("Move", (start + end) / 2), ("Move", end), ("End", None)):
        points = [] if x is None else [{"x": x, "y": 300}]
        touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})


@pytest.mark.browser_context_args(**PHONE)
def test_on_a_phone_long_answers_stand_one_at_a_time(enter, alice, long):
    page = enter(alice)
    assert read_visible(page) == ["A"]
    page.locator("[data-view='1']").tap()
    assert read_visible(page) == ["B"]
    page.evaluate("scrollTo(0, 600)")
    page.wait_for_timeout(200)
    for start, end, letter in ((300, 60, "C"), (300, 60, "C"), (60, 300, "B"), (150, 120, "B"), (60, 300, "A")):
        swipe(page, start, end)
        wait_for(page, f"() => document.querySelector('.answer:not([hidden]) h2').innerText.endsWith('{letter}')")
        assert read_visible(page) == [letter]
    page.locator("[data-view=all]").tap()
    assert read_visible(page) == ["A", "B", "C"]
    swipe(page, 300, 60)
    assert read_visible(page) == ["A", "B", "C"]


@pytest.mark.browser_context_args(**PHONE)
def test_a_wide_table_is_moved_and_not_the_answer(enter, alice, make_dataset):
    cells = f"| {'wide ' * 9}" * 6
    wide_table = f"{cells}|\n{'|---' * 6}|\n" + f"{cells}|\n" * 40
    make_dataset([{"prompt": "Why?", "responses": [wide_table, f"{wide_table}\n\nSo."]}])
    page = enter(alice)
    table = page.locator("[data-response]").nth(0)
    table.evaluate("(table) => table.scrollIntoView()")
    swipe(page, 300, 60)
    assert read_visible(page) == ["A"]
    assert table.evaluate("(table) => table.scrollLeft") > 30


@pytest.mark.browser_context_args(**PHONE)
def test_on_a_phone_short_answers_stand_below_each_other(at_work):
    assert read_visible(at_work) == ["A", "B"]
    expect(at_work.locator("[data-views]")).to_be_hidden()


@pytest.mark.browser_context_args(**PHONE)
def test_an_answer_that_is_out_of_sight_and_not_filled_in_is_shown(enter, alice, long):
    page = enter(alice)
    page.locator("label:has([name=stars_1][value='3'])").tap()
    assert read_visible(page) == ["B"]
    page.locator("[data-view='0']").tap()
    page.evaluate("document.querySelector('[name=verdict][value=rate]').click()")
    expect(page.get_by_text("Please answer this first.")).to_be_visible()
    assert read_visible(page) == ["B"]
    press(page, "Digit2")
    assert read_visible(page) == ["C"]
    press(page, "Digit4")
    find_button(page, "Save").tap()
    await_judged(page, 1)


def test_one_at_a_time_is_remembered(enter, alice, long):
    page = enter(alice)
    assert read_visible(page) == ["A", "B", "C"]
    press(page, "KeyV")
    find_button(page, "One answer at a time").click()
    expect(find_button(page, "One answer at a time")).to_have_attribute("aria-pressed", "true")
    press(page, "Escape")
    assert read_visible(page) == ["A"]
    page.reload()
    assert read_visible(page) == ["A"]
    press(page, "KeyV")
    find_button(page, "All answers").click()
    press(page, "Escape")
    page.reload()
    assert read_visible(page) == ["A", "B", "C"]


def test_the_size_of_the_text_is_remembered(at_work):
    size = "() => parseFloat(getComputedStyle(document.querySelector('[data-response]')).fontSize)"
    sizes = [at_work.evaluate(size)]
    for _ in range(4):
        press(at_work, "Equal")
        sizes.append(at_work.evaluate(size))
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 4
    at_work.reload()
    assert at_work.evaluate(size) == sizes[-1]
    press(at_work, *["Minus"] * 9)
    assert at_work.evaluate(size) < sizes[0]
    press(at_work, "Shift+Equal")
    assert at_work.evaluate(size) == sizes[0]


# --- time at work -----------------------------------------------------------------------------------------------------

IN_VIEW = """(isIn) => {
    Object.defineProperty(document, "hidden", {value: !isIn, configurable: true});
    Object.defineProperty(document, "visibilityState", {value: isIn ? "visible" : "hidden", configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def slowly(context, enter, alice, pairs):
    """Alice on the page of the first of twelve comparisons, with a clock that the test moves."""
    page = context.new_page()
    page.clock.install()
    enter(alice)
    await_ready(page)
    page.clock.pause_at(page.evaluate("Date.now()") + 1000)
    press(page, "Digit1")
    await_judged(page, 1)
    Judgment.objects.update(leased_at=F("leased_at") - timedelta(days=1))
    return page


def measure_seconds(page):
    press(page, "Digit2")
    await_sent(page)
    await_judged(page, 2)
    return Judgment.objects.filter(state="saved").latest("decided_at").seconds


@pytest.mark.own_browser
def test_time_before_the_page_counts(slowly):
    slowly.clock.run_for(17_400)
    assert measure_seconds(slowly) == pytest.approx(17.4, abs=0.2)


@pytest.mark.own_browser
def test_time_in_another_tab_does_not_count(slowly):
    slowly.clock.run_for(10_500)
    slowly.evaluate(IN_VIEW, False)
    slowly.clock.fast_forward(40_000)
    slowly.evaluate(IN_VIEW, True)
    slowly.clock.run_for(5_000)
    assert measure_seconds(slowly) == pytest.approx(15.5, abs=0.2)


@pytest.mark.own_browser
def test_of_a_time_without_moving_a_minute_counts(slowly):
    slowly.clock.run_for(300_000)
    slowly.mouse.move(200, 200)
    slowly.clock.run_for(4_000)
    assert measure_seconds(slowly) == pytest.approx(64, abs=1.2)


# --- blindness --------------------------------------------------------------------------------------------------------


def begin_ids_at(model, first):
    """Starts ids at values that occur nowhere else by chance."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [model._meta.db_table, first])
        else:
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [model._meta.db_table])
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [model._meta.db_table, first])


def test_nothing_that_reaches_the_browser_says_whose_an_answer_is(context, enter, alice, make_dataset):
    begin_ids_at(Response, 71_000_000)
    rows = build_rows(8, answers=3)
    for row in rows:
        for response in row["responses"]:
            response["model"] = f"secret-{response['model']}"
    make_dataset(rows, question="rank", most_shown=3, allow_repair=True)
    came = []

    def look(route):
        answer = route.fetch(max_redirects=0)
        came.append((route.request, answer.headers.get("content-type", ""), answer.text()))
        route.fulfill(response=answer)

    context.route("**/annotate/**", look)
    page = enter(alice)
    await_ready(page)
    press(page, "KeyD", "Digit1", "Digit2", "Digit3", "Enter")
    await_judged(page, 1)
    press(page, "KeyU")
    expect(page.get_by_text("Your previous answer")).to_be_visible()
    press(page, "KeyK")
    await_judged(page, 1)
    page.get_by_role("link", name="History").click()
    page.locator("tbody a").first.click()
    expect(page.get_by_role("heading", name="My answer")).to_be_visible()
    ids = [str(pk) for pk in Response.objects.values_list("pk", flat=True)]
    assert all(pk.startswith("7100") for pk in ids)
    assert len([request for request, _, _ in came if "hx-request" in request.headers]) >= 6
    assert len([kind for _, kind, _ in came if "html" in kind]) >= 9
    for request, _, body in came:
        assert "secret" not in body, request.url
        assert not any(pk in body + (request.post_data or "") for pk in ids), request.url

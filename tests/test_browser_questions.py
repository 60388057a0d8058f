"""Each question in a real browser: with keys alone, mouse, finger, and without JavaScript."""

import pytest
from playwright.sync_api import expect

from datasets.models import Choice, Judgment, Rating
from tests.browsing import (
    await_change,
    await_judged,
    await_sent,
    find_button,
    find_chosen,
    find_option,
    get_last,
    list_verdicts,
    press,
    read_answers,
    watch_posts,
)
from tests.conftest import build_rows

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]

STEPS = ["left3", "left2", "left1", "tie", "right1", "right2", "right3"]


@pytest.fixture
def asked(enter, alice, make_dataset):
    """asked(question, answers, **settings): alice on the page of the first of four comparisons."""

    def begin(question, answers, **settings):
        settings = {"fewest_shown": answers, "most_shown": answers} | settings
        make_dataset(build_rows(4, answers=max(2, answers)), question=question, **settings)
        return enter(alice)

    return begin


# --- scale ------------------------------------------------------------------------------------------------------------


def test_the_seven_digits_are_the_steps_of_the_scale(enter, alice, make_dataset):
    make_dataset(build_rows(10), question="scale")
    page = enter(alice)
    for n in range(1, 8):
        press(page, f"Digit{n}" if n % 2 else f"Numpad{n}")
        await_judged(page, n)
    press(page, "KeyB")
    await_judged(page, 8)
    shown = read_answers(page)
    press(page, "Digit8", "Digit9", "Digit0", "KeyS")
    await_change(page, shown)
    await_sent(page)
    assert list_verdicts() == [*STEPS, "both_bad"]
    assert Judgment.objects.filter(state="skipped").count() == 1
    assert list(Choice.objects.order_by("judgment__decided_at").values_list("strength", flat=True)) == [
        *(3, 2, 1, 0, 1, 2, 3)
    ]


def test_a_step_of_the_scale_by_hand(asked, hand):
    page = asked("scale", 2)
    hand(page.locator("button[value=right2]"))
    await_judged(page, 1)
    assert list_verdicts() == ["right2"]


# --- an order ---------------------------------------------------------------------------------------------------------


def test_the_digits_are_the_places_of_the_answers_in_turn(asked):
    page = asked("rank", 4)
    press(page, "Digit2", "Digit1", "Digit1", "Backspace", "Numpad3")
    expect(page.locator("[data-group].turn legend")).to_contain_text("Answer D")
    press(page, "Digit3")
    expect(page.locator("[data-group].turn")).to_have_count(0)
    assert list_verdicts() == []
    press(page, "Enter")
    await_judged(page, 1)
    assert get_last() == ("rank", {"rank": [2, 1, 3, 3]})
    assert Choice.objects.count() == 6
    assert Choice.objects.get(strength=0).rank_gap == 0


def test_places_by_hand(asked, hand):
    page = asked("rank", 3)
    for n, place in enumerate((3, 1, 2), 1):
        hand(find_option(page, f"rank_{n}", place))
    hand(find_button(page, "Save"))
    await_judged(page, 1)
    assert get_last() == ("rank", {"rank": [3, 1, 2]})


def find_drop_points(page, letter, place):
    """The centres of a letter and of its target place."""
    ladder = page.locator("[data-ladder]")
    ladder.scroll_into_view_if_needed()
    boxes = [
        ladder.locator(".token", has_text=letter).bounding_box(),
        ladder.locator(f".place[data-place='{place}']").bounding_box(),
    ]
    return [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes]


def drag_by_mouse(page, letter, place):
    start, end = find_drop_points(page, letter, place)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def drag_by_finger(page, letter, place):
    start, end = find_drop_points(page, letter, place)
    touch = page.context.new_cdp_session(page)
    middle = [(start[0] + end[0]) / 2, (start[1] + end[1]) / 2]
    for kind, at in (("Start", start), ("Move", middle), ("Move", end), ("End", None)):
        points = [{"x": at[0], "y": at[1]}] if at else []
        touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})


def order_answers(drag, page):
    for letter, place in (("C", 1), ("A", 2), ("B", 2)):
        drag(page, letter, place)
    assert [find_chosen(page, f"rank_{n}") for n in (1, 2, 3)] == ["2", "2", "1"]
    drag(page, "B", 3)
    drag(page, "A", "")
    assert [find_chosen(page, f"rank_{n}") for n in (1, 2, 3)] == [None, "3", "1"]
    drag(page, "A", 2)
    expect(page.locator(".place[data-place='2'] .token")).to_have_text("A")
    find_button(page, "Save").click()
    await_judged(page, 1)
    assert get_last() == ("rank", {"rank": [2, 3, 1]})


def test_letters_are_dragged_to_their_places_with_the_mouse(asked):
    order_answers(drag_by_mouse, asked("rank", 3))


@pytest.mark.browser_context_args(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
def test_letters_are_dragged_to_their_places_with_a_finger(asked):
    order_answers(drag_by_finger, asked("rank", 3))


def test_a_letter_that_is_dropped_nowhere_goes_back(asked):
    page = asked("rank", 3)
    press(page, "Digit2")
    (x, y), _ = find_drop_points(page, "A", 1)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, 5, steps=3)
    page.mouse.up()
    expect(page.locator(".place[data-place='2'] .token")).to_have_text("A")
    assert find_chosen(page, "rank_1") == "2"


def test_the_ladder_shows_what_keys_and_buttons_set(asked):
    page = asked("rank", 3)
    press(page, "Digit3")
    find_option(page, "rank_2", 1).click()
    assert page.locator(".place[data-place='3'] .token").inner_text() == "A"
    assert page.locator(".place[data-place='1'] .token").inner_text() == "B"
    assert page.locator(".tray .token").inner_text() == "C"


def test_an_order_with_a_gap_is_pointed_out_and_nothing_is_sent(asked):
    page = asked("rank", 3)
    posts = watch_posts(page)
    press(page, "Digit1", "Digit2", "Enter")
    expect(page.get_by_text("Please answer this first.")).to_be_visible()
    expect(page.locator("[data-group].wrong legend")).to_contain_text("Answer C")
    press(page, "Digit3")
    expect(page.locator("[data-group].wrong")).to_have_count(0)
    assert not posts
    press(page, "Enter")
    await_judged(page, 1)
    expect(page.get_by_text("Please answer this first.")).to_have_count(0)


def test_a_shared_place_is_pointed_out_where_ties_are_not_allowed(asked):
    page = asked("rank", 3, allow_tie=False)
    posts = watch_posts(page)
    press(page, "Digit1", "Digit1", "Digit2", "Enter")
    expect(page.get_by_text("Ties are not allowed: give each answer its own rank.")).to_be_visible()
    expect(page.locator("[data-group].wrong")).to_have_count(2)
    assert not posts
    press(page, "Backspace", "Backspace", "Digit2", "Digit3", "Enter")
    await_judged(page, 1)
    assert get_last() == ("rank", {"rank": [1, 2, 3]})


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_a_shared_place_comes_back_as_it_was_filled_in(asked, troubles):
    page = asked("rank", 3, allow_tie=False)
    for n, place in enumerate((2, 2, 1), 1):
        find_option(page, f"rank_{n}", place).click()
    find_button(page, "Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Ties are not allowed: give each answer its own rank.")
    assert [find_chosen(page, f"rank_{n}") for n in (1, 2, 3)] == ["2", "2", "1"]
    find_option(page, "rank_1", 3).click()
    find_button(page, "Save").click()
    await_judged(page, 1)
    assert get_last() == ("rank", {"rank": [3, 2, 1]})
    troubles[:] = [trouble for trouble in troubles if "422" not in trouble]


# --- best and worst ---------------------------------------------------------------------------------------------------


def test_the_first_digit_is_the_best_answer_and_the_second_the_worst(asked):
    page = asked("best_worst", 4)
    press(page, "Digit3", "Digit1", "Enter")
    await_judged(page, 1)
    assert get_last() == ("rank", {"rank": [3, 2, 1, 2]})
    assert Choice.objects.count() == 5


def test_best_and_worst_can_be_taken_back(asked):
    page = asked("best_worst", 3)
    press(page, "Digit3", "Digit1", "Backspace")
    assert [find_chosen(page, f"rank_{n}") for n in (1, 2, 3)] == ["2", "2", "1"], (
        "the worst is taken back, then the best"
    )
    press(page, "Backspace", "Digit1", "Digit2", "Enter")
    await_judged(page, 1)
    assert get_last() == ("rank", {"rank": [1, 3, 2]})


def test_best_and_worst_by_hand(asked, hand):
    page = asked("best_worst", 3)
    hand(find_option(page, "rank_2", 1))
    hand(find_option(page, "rank_1", 3))
    hand(find_button(page, "Save"))
    await_judged(page, 1)
    assert get_last() == ("rank", {"rank": [3, 1, 2]})


def test_of_two_that_are_named_best_the_later_one_stays(asked):
    page = asked("best_worst", 3)
    find_option(page, "rank_2", 1).click()
    find_option(page, "rank_3", 1).click()
    assert [find_chosen(page, f"rank_{n}") for n in (1, 2, 3)] == ["2", "2", "1"]


def test_without_a_worst_answer_it_is_pointed_out_and_nothing_is_sent(asked):
    page = asked("best_worst", 3)
    posts = watch_posts(page)
    press(page, "Digit2", "Enter")
    expect(page.get_by_text("Pick one best and one worst answer.")).to_be_visible()
    assert not posts
    press(page, "Digit1", "Enter")
    await_judged(page, 1)
    assert get_last() == ("rank", {"rank": [3, 1, 2]})


# --- stars ------------------------------------------------------------------------------------------------------------


def test_the_digits_are_the_stars_of_the_answers_in_turn(asked):
    page = asked("stars", 3)
    press(page, "Digit6", "Digit5", "Digit3", "Digit4", "Backspace", "Digit1", "NumpadEnter")
    await_judged(page, 1)
    assert get_last() == ("rate", {"stars": [5, 3, 1]})
    assert sorted(Rating.objects.values_list("stars", flat=True)) == [1, 3, 5]


@pytest.mark.parametrize(("answers", "sides"), [(1, ["left"]), (2, ["left", "right"]), (3, ["1", "2", "3"])])
def test_stars_by_hand(asked, hand, answers, sides):
    page = asked("stars", answers)
    for n, side in enumerate(sides):
        hand(find_option(page, f"stars_{side}", n + 2))
    hand(find_button(page, "Save"))
    await_judged(page, 1)
    assert get_last() == ("rate", {"stars": [2, 3, 4][:answers]})


def test_one_answer_alone_gets_its_stars_by_a_digit_and_enter(asked):
    page = asked("stars", 1)
    for n, stars in enumerate((4, 2), 1):
        press(page, f"Digit{stars}", "Enter")
        await_judged(page, n)
        assert get_last() == ("rate", {"stars": [stars]})
    expect(page.locator("[data-response]")).to_have_count(1)
    expect(page.get_by_role("link", name="Differences")).to_have_count(0)

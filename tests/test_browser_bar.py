"""The bar under the answers: the question, one row at a time, digits on that row only, nothing ever behind it."""

import pytest
from playwright.sync_api import expect

from tests.browsing import await_judged, find_button, find_chosen, find_option, get_last, press
from tests.conftest import build_rows

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]

CRITERIA = [{"name": name, "guideline": f"is {name}"} for name in ("helpful", "honest", "harmless")]
ALL = {"question": "scale", "criteria": CRITERIA, "allow_flag": True, "allow_repair": True}


@pytest.fixture
def asked(enter, alice, make_dataset):
    """asked(**settings): alice on the page of the first of four comparisons."""

    def begin(answers=2, **settings):
        make_dataset(build_rows(4, answers=answers), **settings)
        return enter(alice)

    return begin


def read_turn(page):
    """The legends of the groups whose turn it is."""
    legends = page.locator(".steps .group.turn legend").all()
    return [" ".join(legend.inner_text().split()) for legend in legends]


@pytest.mark.parametrize("reasons", ["optional", "required"])
def test_a_scale_three_criteria_and_a_reason_take_six_keys_at_most(asked, reasons):
    page = asked(reasons=reasons, **ALL)
    keys = {"optional": ["Shift+Digit2", "Digit7"], "required": ["Digit7", "Digit2", "Enter"]}[reasons]
    pressed = ["Digit6", "Digit4", "Digit1", *keys]
    assert len(pressed) <= 6
    press(page, *pressed)
    await_judged(page, 1)
    said = {"helpful": {"verdict": ["right2"]}, "honest": {"verdict": ["tie"]}, "harmless": {"verdict": ["left3"]}}
    assert get_last() == ("right3", {"criteria": said, "reasons": ["follows instructions better"]})


def test_one_row_is_open_and_it_alone_shows_its_keys(asked):
    page = asked(reasons="optional", **ALL)
    expect(page.locator(".ask")).to_contain_text("Which answer is better, and how much?")
    keys = page.locator(".steps .options kbd:visible, .steps .chips kbd:visible, .verdicts kbd:visible")
    assert keys.all_inner_texts() == [*"1234567b"]
    expect(find_button(page, "A is much better")).to_be_hidden()
    press(page, "Digit1", "Digit2", "Digit3")
    assert keys.all_inner_texts() == [*"1234567"]
    expect(find_button(page, "A is much better")).to_be_visible()
    press(page, "KeyR")
    assert keys.all_inner_texts() == [*"12345678"]
    press(page, "KeyR")
    assert keys.all_inner_texts() == [*"1234567"]
    press(page, "KeyR", "Digit1", "Enter", "Digit4")
    await_judged(page, 1)
    assert get_last()[1]["reasons"] == ["more correct"]


def test_escape_goes_back_and_enter_on(asked):
    page = asked(**ALL)
    press(page, "Digit1", "Digit2")
    assert read_turn(page) == ["harmless is harmless"]
    press(page, "Escape", "Escape")
    assert read_turn(page) == ["helpful is helpful"]
    press(page, "Escape")
    assert read_turn(page) == ["helpful is helpful"], "there is nothing before it"
    press(page, "Enter")
    assert read_turn(page) == ["honest is honest"]
    press(page, "Digit5")
    assert read_turn(page) == ["harmless is harmless"]
    press(page, "Digit3", "Escape", "Enter")
    assert read_turn(page) == []
    press(page, "Digit4")
    await_judged(page, 1)
    said = get_last()[1]["criteria"]
    assert [said[one["name"]]["verdict"][0] for one in CRITERIA] == ["left3", "right1", "left1"]


def test_tab_opens_row_after_row_and_arrows_choose_in_it(asked):
    page = asked(with_stars=True)
    page.locator("[name=stars_left]").first.focus()
    press(page, "ArrowRight", "ArrowRight")
    assert find_chosen(page, "stars_left") == "3"
    assert read_turn(page) == ["Stars: Answer A"], "arrows try one option after the other"
    press(page, "Tab")
    assert read_turn(page) == ["Stars: Answer B"]
    press(page, "Space", "Shift+Tab")
    assert find_chosen(page, "stars_right") == "1"
    assert read_turn(page) == ["Stars: Answer A"]
    press(page, "Enter", "Enter", "Digit1")
    await_judged(page, 1)
    assert get_last() == ("left", {"stars": [3, 1]})


def test_the_answer_in_question_is_marked(asked):
    page = asked(answers=3, question="stars", fewest_shown=3, most_shown=3)
    asked_for = page.locator(".answer.asked [data-response]")
    for place in "123":
        expect(asked_for).to_have_attribute("data-response", place)
        press(page, "Digit4")
    expect(asked_for).to_have_count(0)


def test_a_chosen_row_opens_again_by_a_click(asked):
    page = asked(**ALL)
    press(page, "Digit1", "Digit1", "Digit1")
    page.locator(".steps .group", has_text="honest").locator("legend").click()
    assert read_turn(page) == ["honest is honest"]
    page.locator(".steps .group.turn label", has_text="B is much better").click()
    assert read_turn(page) == []
    press(page, "ArrowLeft")  # the focus is not in the row any more
    find_button(page, "Tie").click()
    await_judged(page, 1)
    assert get_last()[1]["criteria"]["honest"] == {"verdict": ["right3"]}


BEHIND = """async () => {
    const bar = document.querySelector(".bar");
    const all = [...document.querySelectorAll("main :is(a, button, input, summary, textarea, [tabindex='0'])")];
    const behind = [];
    for (const one of all.filter((one) => one.checkVisibility({visibilityProperty: true}))) {
        one.focus();
        await new Promise(requestAnimationFrame);
        const {top, bottom} = one.getBoundingClientRect();
        const covered = Math.min(bottom, innerHeight) - Math.max(top, bar.getBoundingClientRect().top);
        if (bottom - top < 100 && covered > 1) behind.push(one.outerHTML.slice(0, 80));
    }
    return behind;
}"""
SIZES = [(360, 740), (390, 844), (720, 450), (768, 1024), (1440, 900)]  # 720: 1440 at 200 %


@pytest.mark.parametrize("question", ["scale", "rank", "best_worst", "stars"])
def test_no_control_is_behind_the_bar(asked, question):
    many = {} if question == "scale" else {"fewest_shown": 6, "most_shown": 6}
    settings = ALL | {"question": question, "reasons": "optional"}
    page = asked(answers=2 if question == "scale" else 6, **settings, **many)
    page.locator("main details").evaluate_all("(all) => all.forEach((one) => { one.open = true; })")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(BEHIND) == [], (width, height)
        bar = page.locator(".bar").bounding_box()
        assert bar["height"] <= 0.62 * height, (width, height)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_every_row_is_open(asked):
    page = asked(reasons="optional", **ALL)
    for option in page.locator(".steps label:has([value=right1])").all():
        option.click()
    find_option(page, "reasons", "safer").click()
    find_button(page, "Tie").click()
    await_judged(page, 1)
    assert len(get_last()[1]["criteria"]) == 3

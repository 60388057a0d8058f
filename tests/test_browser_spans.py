"""Highlights in a browser: marked by mouse, finger and keys, at the right place of the source."""

import json

import pytest
from playwright.sync_api import expect

from datasets.models import Dataset, Judgment, Response
from tests.browsing import (
    PHONE,
    await_change,
    await_judged,
    await_ready,
    await_sent,
    excuse,
    find_button,
    get_last,
    press,
    read_answers,
    wait_for,
)
from tests.conftest import build_rows
from tests.test_spans import build_texts, quote

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]

TEXT = (
    "这是**加粗**的 😀 文字。\n\n- first *item* with [docs](https://example.com/docs).\n- second \\* `a_b`\n\n"
    '```python\nprint("你好")  # x\n```\n\n> quoted &amp; **un**done\n\nThe sum $x^2$ is a.\r\nLast 👩‍👩‍👧 line'
)
FIND = """([side, words]) => {
  const walker = document.createTreeWalker(document.querySelector(`[data-response=${side}]`), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const at = node.data.indexOf(words);
    if (at < 0) continue;
    node.parentElement.scrollIntoView({ block: "center" });
    const range = document.createRange();
    range.setStart(node, at);
    range.setEnd(node, at + words.length);
    const { left, right, top, bottom } = range.getBoundingClientRect();
    return { left, right, y: (top + bottom) / 2 };
  }
}"""
PLACE = """async ([phrase, within]) => {
  const places = await import(document.querySelector("script[src*='/highlight']").src.replace("highlight", "places"));
  const answers = places.findAnswers(document.querySelector("form[data-comparison]"));
  const answer = answers.find(({ source }) => source.includes(within));
  const alignment = places.alignView(answer, answer.text);
  const at = alignment.text.indexOf(phrase);
  const span = places.buildSpan(answer, alignment, at, at + phrase.length);
  const [from, to] = places.findVisible(answer, alignment, span);
  return [at, span, alignment.text.slice(from, to)];
}"""


@pytest.fixture
def page(enter, alice, make_dataset):
    make_dataset(build_texts(TEXT, TEXT + "\n\nmore", n=6), spans=True)
    page = enter(alice)
    page.on("dialog", lambda dialog: dialog.accept())
    return page


def drag(page, first, last=None, side="left"):
    """Selects with the mouse from the beginning of some words to the end of others."""
    page.evaluate(FIND, [side, first])  # scrolls
    start, end = (page.evaluate(FIND, [side, words]) for words in (first, last or first))
    page.mouse.move(start["left"] + 1, start["y"])
    page.mouse.down()
    page.mouse.move(end["right"] - 1, end["y"], steps=5)
    page.mouse.up()
    expect(page.locator("[data-marking]")).to_be_visible()


def read_spans(page):
    """[(label, what is marked, note)] of the fields on the page, from the source."""
    fields = page.locator("form[data-comparison] [name=span]").evaluate_all("(all) => all.map((one) => one.value)")
    text = TEXT.replace("\r\n", "\n")
    return [(span["label"], text[span["start"] : span["end"]], span["note"]) for span in map(json.loads, fields)]


def await_span(page, n=1):
    expect(page.locator("[data-spans] > li")).to_have_count(n)
    return read_spans(page)


def test_a_mouse_marks_a_piece_across_bold_text_and_an_emoji(page):
    drag(page, "加粗", "文字")
    press(page, "Digit2")
    assert await_span(page) == [("wrong", "加粗**的 😀 文字", "")]
    expect(page.locator("[data-marking]")).to_be_hidden()
    assert page.evaluate("CSS.highlights.get('span-2').size") == 2, "rendered and raw"
    drag(page, "你好")
    page.get_by_label("Note", exact=True).fill("hello <b>")
    find_button(page, "unsafe").click()
    assert await_span(page, 2)[1] == ("unsafe", "你好", "hello <b>")
    press(page, "Digit1")
    await_judged(page, 1)
    verdict, said = get_last()
    assert verdict == "left"
    assert [(span["label"], quote(span)) for span in said["spans"]] == [
        ("wrong", "加粗**的 😀 文字"),
        ("unsafe", "你好"),
    ]
    expect(page.locator("[data-spans] > li")).to_have_count(0)


def test_keys_alone_mark_note_change_and_remove(page):
    press(page, "KeyH")
    expect(page.locator("[data-marking]")).to_be_visible()
    press(page, "ArrowDown", "ArrowRight", "Shift+ArrowRight")
    shown = page.locator("[data-quote]").inner_text()
    assert shown == "item* with"
    press(page, "Enter")
    page.keyboard.type("note 1")
    press(page, "Enter", "Digit1")
    assert await_span(page) == [("good", "item* with", "note 1")]
    press(page, "KeyH", "ArrowRight", "Digit3", "KeyH", "KeyH", "Digit9", "Digit2")
    assert [span[0] for span in await_span(page, 3)] == ["good", "unsafe", "wrong"]
    assert page.locator("[data-spans=right] > li").count() == 1
    item = page.locator("[data-spans=left] > li").first
    item.get_by_role("button", name="Edit").press("Enter")
    expect(page.get_by_label("Note", exact=True)).to_have_value("note 1")
    page.keyboard.type("!")
    press(page, "Enter")
    expect(item).to_contain_text("note 1!")
    item.get_by_role("button", name="Edit").press("Enter")
    press(page, "Tab", "Escape")
    expect(page.locator("[data-marking]")).to_be_hidden()
    item.get_by_role("button", name="Remove").press("Enter")
    assert [span[0] for span in await_span(page, 2)] == ["unsafe", "wrong"]
    assert not Judgment.objects.filter(state="saved").exists(), "no digit gave a verdict"
    press(page, "ArrowRight")
    await_judged(page, 1)
    assert len(get_last()[1]["spans"]) == 2


def test_escape_leaves_and_digits_are_verdicts_again(page):
    drag(page, "first")
    press(page, "Escape")
    expect(page.locator("[data-marking]")).to_be_hidden()
    press(page, "Digit1")
    await_judged(page, 1)
    assert "spans" not in get_last()[1]


@pytest.mark.parametrize("raw", [False, True])
def test_raw_text_is_marked_as_it_stands(page, raw):
    press(page, "KeyM", "KeyH", "Shift+ArrowRight", "Shift+ArrowRight", "Digit1")
    (span,) = await_span(page)
    assert TEXT.startswith(span[1])
    if not raw:
        press(page, "KeyM")
        assert page.evaluate("CSS.highlights.get('span-1').size") == 2


CERTAIN = [  # (visible, source)
    ("加粗", "加粗"), ("加粗的", "加粗**的"), ("😀", "😀"), ("是加", "是**加"), ("docs", "docs"), ("docs.", None),
    ("second", "second"), ("second * a_b", "second \\* `a_b"), ("*", "\\*"), ("a_b", "a_b"),
    ("print", "print"), ('"你好"', '"你好"'), ('print("你好")  # x', 'print("你好")  # x'),
    ("quoted &", "quoted &amp;"), ("& un", "&amp; **un"), ("undone", "un**done"), ("sum x", "sum $x^2$"),
    ("is a.", "is a."), ("a.\nLast", "a.\nLast"), ("👩‍👩‍👧", "👩‍👩‍👧"), ("line", "line"),
]  # fmt: skip


def test_every_visible_piece_has_its_place_in_the_source(page):
    text = TEXT.replace("\r\n", "\n")
    for phrase, source in CERTAIN:
        at, span, visible = page.evaluate(PLACE, [phrase, TEXT[:9]])
        assert at >= 0, phrase
        found = text[span["start"] : span["end"]]
        if source:
            assert (phrase, found) == (phrase, source)
        assert phrase in visible, "what is drawn covers what was selected"
        assert span["of"] - len(text) in (0, len("\n\nmore"))


def test_where_the_place_is_not_certain_the_range_widens(enter, alice, make_dataset):
    text = "The $a$ a $a$ end"
    make_dataset(build_texts(text, "other"), spans=True)
    page = enter(alice)
    for phrase, source in (("a", "$a$ a $"), ("end", "end")):
        _at, span, visible = page.evaluate(PLACE, [phrase, text])
        assert (phrase, text[span["start"] : span["end"]]) == (phrase, source)
        assert phrase in visible
    middle = PLACE.replace("indexOf(phrase)", "indexOf(phrase, 5)")
    _at, span, _visible = page.evaluate(middle, ["a", text])
    assert text[span["start"] : span["end"]] == "a$ a $a", "in a formula before it, itself, or in the one after it"


def test_reload_undo_and_the_server_bring_them_back(page):
    drag(page, "加粗")
    press(page, "Digit2")
    await_span(page)
    wait_for(page, "() => Object.values(localStorage).some((one) => one.includes('wrong'))")
    page.reload()
    assert await_span(page) == [("wrong", "加粗", "")]
    press(page, "Digit1")
    await_judged(page, 1)
    await_sent(page)
    press(page, "KeyU")
    assert await_span(page) == [("wrong", "加粗", "")]
    page.reload()
    assert await_span(page) == [("wrong", "加粗", "")]
    find_button(page, "Remove").first.click()
    await_span(page, 0)
    wait_for(page, "() => Object.keys(localStorage).some((one) => one.startsWith('chosen-drafts'))")
    page.reload()
    await_span(page, 0)


def test_a_verdict_without_a_network_keeps_them(page, context, troubles):
    await_ready(page)
    context.set_offline(True)
    drag(page, "print")
    press(page, "Digit3")
    await_span(page)
    press(page, "Digit1")
    await_span(page, 0)
    context.set_offline(False)
    page.evaluate("dispatchEvent(new Event('online'))")
    await_judged(page, 1)
    assert [quote(span) for span in get_last()[1]["spans"]] == ["print"]
    excuse(troubles, "INTERNET_DISCONNECTED")


def test_undo_of_a_verdict_that_has_not_left_shows_them_again(page, context, troubles):
    await_ready(page)
    context.set_offline(True)
    drag(page, "print")
    press(page, "Digit3")
    await_span(page)
    press(page, "Digit1")
    await_span(page, 0)
    press(page, "KeyU")
    assert await_span(page) == [("unsafe", "print", "")]
    assert page.evaluate("CSS.highlights.get('span-3').size") == 2
    context.set_offline(False)
    excuse(troubles, "INTERNET_DISCONNECTED")


def test_reasoning_between_tags_is_part_of_the_source_and_that_beside_it_is_not(enter, alice, make_dataset):
    texts = ("<think>\nThe *answer* is 7.\n</think>\n\nThe answer is **7**.", "The answer is 8.")
    make_dataset(build_texts(*texts), spans=True, show_reasoning="show")
    Response.objects.filter(text=texts[1]).update(reasoning="So the answer is 8.", html=None)
    page = enter(alice)
    for text, phrase, start in ((texts[0], "answer is 7.", 13), (texts[0], "is 7", 21), (texts[1], "answer is 8", 4)):
        _at, span, _visible = page.evaluate(PLACE, [phrase, text])
        assert (text, phrase, span["start"]) == (text, phrase, start)


@pytest.mark.parametrize(("language", "n"), [("python", 60), ("", 400)])  # a piece for each word, or one for all
def test_a_long_answer_keeps_nobody_waiting(enter, alice, make_dataset, language, n):
    lines = "\n".join(f"value_{i} = compute({i}, 'x')  # 注释 &amp; *no*" for i in range(n))
    words = "\n\n".join(f"**{i}.** Some [words](https://a.b/{i}) and $x_{i}$ more." for i in range(n))
    make_dataset(build_texts(f"{words}\n\n```{language}\n{lines}\n```\n\nThe end.", "short"), spans=True)
    page = enter(alice)
    began = page.evaluate("performance.now()")
    _at, span, _visible = page.evaluate(PLACE, [f"compute({n - 1}, 'x')  # 注释 &amp; *no*", "The end."])
    took = page.evaluate("performance.now()") - began
    assert span["end"] - span["start"] == len(f"compute({n - 1}, 'x')  # 注释 &amp; *no*")
    assert took < 2000


MORE = [  # (answer, visible, source)
    ("| h | i |\n|---|---|\n| x<br>yes | `a\\|b` |", "yes", "yes"),
    ("| h | i |\n|---|---|\n| x<br>yes | `a\\|b` |", "a|b", "a\\|b"),
    ("See ![a cat](http://a.b/cat.png) there", "a cat", "a cat"),
    ("See ![a cat](http://a.b/cat.png) there", "there", "there"),
    ("1. one\n\n       indented code\n\n2. two", "indented code", "indented code"),
    ("> ```js\n> let a\n>   = 1;\n> ```", "let a\n  = 1;", "let a\n>   = 1;"),
    ("http://a.b/c is bare, <http://d.e> is not", "http://d.e is", "http://d.e> is"),
    ("- [x] done &mdash; it&#39;s", "— it's", "&mdash; it&#39;s"),
    ("\\(a+b\\) or \\*not\\* \\\\ bold", "*not* \\ bold", "\\*not\\* \\\\ bold"),
    ("```\n\\* &amp; as it is\n```", "\\* &amp; as", "\\* &amp; as"),
    ("# Title #\n\nSetext\n===\n\n~~old~~ __new__", "Title\nSetext\nold", "Title #\n\nSetext\n===\n\n~~old"),
    ("  indented\nlines\n    here", "here", "here"),
]


def test_every_kind_of_markup_has_its_place(enter, alice, make_dataset):
    for n, (text, *_expected) in enumerate(MORE):
        make_dataset([{"prompt": f"{n}", "responses": [text, "short"]}], f"d{n}", spans=True)
    for n, (text, phrase, source) in enumerate(MORE):
        page = enter(alice, f"/annotate/d{n}/")
        at, span, _visible = page.evaluate(PLACE, [phrase, text])
        assert at >= 0, page.locator("[data-response]").all_text_contents()
        assert (phrase, text[span["start"] : span["end"]]) == (phrase, source)


HOSTILE = {
    "one line": "a" * 60_000,
    "the same again and again": "\n\n".join(["a" * 400 + "b"] * 60 + ["`" + "a" * 400 + "`"] * 60),
    "addresses": "[a](http://" + "a" * 30_000 + ") " + "[a](b" * 3_000,
    "blanks": "a" + " " * 50_000 + "b",
    "formulas": "$a$ " * 900 + "a" * 9_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_keeps_nobody_waiting(enter, alice, make_dataset, name):
    make_dataset(build_texts(HOSTILE[name], "short"), spans=True)
    page = enter(alice)
    began = page.evaluate("performance.now()")
    _at, span, visible = page.evaluate(PLACE, ["a", HOSTILE[name][:60]])
    assert page.evaluate("performance.now()") - began < 2000
    assert "a" in HOSTILE[name][span["start"] : span["end"]]
    assert "a" in visible


def test_differences_leave_the_highlights_in_their_place(page):
    drag(page, "second")
    press(page, "Digit1")
    await_span(page)
    press(page, "KeyD")
    expect(page.locator("[data-response] mark").first).to_be_visible()
    _at, span, _visible = page.evaluate(PLACE, ["undone", TEXT[:9]])
    assert TEXT.replace("\r\n", "\n")[span["start"] : span["end"]] == "un**done"
    ranges = "[...CSS.highlights.get('span-1')].map((range) => [String(range), range.startContainer.isConnected])"
    assert page.evaluate(ranges) == [["second", True], ["second", True]]


@pytest.mark.browser_context_args(**PHONE)
def test_a_finger_marks_on_a_phone(page):
    button = page.locator("[data-mark]:visible").first
    button.tap()
    expect(page.locator("[data-marking]")).to_be_visible()
    box = page.locator("[data-marking]").bounding_box()
    bar = page.locator(".bar").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["viewport"]["width"]
    assert box["y"] + box["height"] <= bar["y"]
    find_button(page, "good").tap()
    await_span(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_the_page_judges_and_keeps_them(page):
    assert page.locator("[data-marking]").is_hidden()
    find_button(page, "A is better").click()
    expect(page.get_by_text("You: 1")).to_be_visible()
    assert Judgment.objects.get(state="saved").verdict == "left"


def test_where_they_are_off_a_selection_opens_nothing(enter, alice, make_dataset):
    make_dataset(build_rows(2))
    page = enter(alice)
    press(page, "KeyH")
    assert page.locator("[data-marking]").count() == 0
    shown = read_answers(page)
    press(page, "Digit1")
    await_change(page, shown)


def test_a_lead_turns_highlights_on_where_every_tick_is_seen(enter, admin, make_dataset):
    make_dataset(build_rows(2))
    page = enter(admin, "/datasets/demo/task/")
    ticks = page.locator("main input[type=checkbox]")
    assert ticks.count() >= 8
    sizes = [tick.locator("xpath=..").bounding_box() for tick in ticks.all() if tick.is_visible()]
    assert min(min(size["width"], size["height"]) for size in sizes) >= 16
    page.get_by_label("Let annotators highlight parts of an answer").check()
    page.locator("main").get_by_role("button", name="Save").click()
    expect(page.get_by_label("Let annotators highlight parts of an answer")).to_be_checked()
    assert Dataset.objects.get().spans

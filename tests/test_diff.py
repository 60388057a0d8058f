"""The diff marks where answers differ, and leaves the rest of their HTML unchanged."""

import random
import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.text import diff as module
from datasets.text.diff import mark_differences
from datasets.text.rendered import render

HOSTILE = ["<script>alert(1)</script>", "&lt;b&gt; &amp; &nbsp;", "<mark>x</mark>", "a < b > c & d", "\"quoted\" 'too'"]
PIECES = [
    "plain words", "**bold** and *thin*",
    "`code < x`", "```python\nif a < b:\n    return 'x' & 1\n```", "$a^2 < b$",
    "\\[ \\frac{1}{2} \\]", "# Heading", "- one\n- two", "| a | b |\n|---|--:|\n| 1 | 2 |",
    "[link](https://x.y/?a=1&b=2)",
    "中文，混 English 排",
    "日本語のテキスト", "🙂👩‍👩‍👧", "a\u00a0b\u3000c", "line  \nbreak", "---", "> said\n> so", *HOSTILE,
]  # fmt: skip
TEXT = st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=6).map("\n\n".join)


def strip_marks(html):
    return re.sub("</?mark>", "", html)


class TagChecker(HTMLParser):
    """Checks that tags are properly nested, and that marks contain only text and whole formulas."""

    def __init__(self, html):
        super().__init__()
        self.open = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert "mark" not in self.open or tag == "math" or "math" in self.open
        if tag not in ("br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXT, min_size=2, max_size=4))
def test_only_marks_are_added(texts):
    htmls = [render(text) for text in texts]
    for html, marked in zip(htmls, mark_differences(htmls), strict=True):
        assert strip_marks(marked) == html
        TagChecker(marked)


@pytest.mark.parametrize("text", PIECES)
def test_what_is_the_same_bears_no_mark(text):
    html = render(text)
    assert mark_differences([html, html]) == [html, html]


@pytest.mark.parametrize(
    ("first", "second", "marked"),
    [
        ("one two three", "one 2 three", ["one <mark>two </mark>three", "one <mark>2 </mark>three"]),
        ("one", "one two", ["one", "one<mark>two</mark>"]),
        ("我喜欢茶", "我喜欢水", ["我喜欢<mark>茶</mark>", "我喜欢<mark>水</mark>"]),
        ("a **b c** d", "a **b x** d", None),
        ("", "words", ["", "<mark>words</mark>"]),
    ],
)
def test_the_words_that_differ_are_marked(first, second, marked):
    marked_htmls = mark_differences([render(first), render(second)])
    found = [html.strip().removeprefix('<p dir="auto">').removesuffix("</p>") for html in marked_htmls]
    if marked is None:
        assert found[0] == "a <strong>b <mark>c</mark></strong> d"
    else:
        assert [re.sub(r"\s*<mark>\s*", "<mark>", html) for html in found] == [
            re.sub(r"\s*<mark>\s*", "<mark>", html) for html in marked
        ]


def test_a_formula_is_one_word():
    first, second = mark_differences([render("so $a^2$ is"), render("so $a^3$ is")])
    for html in (first, second):
        assert html.count("<mark>") == 1
        assert re.search(r"<mark><math.*</math></mark>", html)


def test_one_answer_alone_has_nothing_to_differ_from():
    assert mark_differences([render("alone")]) == [render("alone")]
    assert mark_differences([]) == []


def test_each_further_answer_is_compared_with_the_first():
    found = mark_differences([render(text) for text in ("a b", "a c", "a b", "x b")])
    assert ["<mark>" in html for html in found] == [True, True, False, True]


def test_long_answers_are_shown_unmarked(monkeypatch):
    monkeypatch.setattr(module, "MOST_WORDS", 10)
    short, long = render("one two"), render("word " * 11)
    assert mark_differences([short, long]) == [short, long]
    assert mark_differences([short, render("one 2")]) != [short, render("one 2")]


def test_six_thousand_words_take_no_more_than_a_moment():
    draw = random.Random(1)
    texts = [" ".join(draw.choice(["alpha", "beta", "gamma", "delta", str(n % 97)]) for n in range(6000)) for _ in "ab"]
    htmls = [render(text) for text in texts]
    started = time.perf_counter()
    marked = mark_differences(htmls)
    assert time.perf_counter() - started < 3
    assert [strip_marks(html) for html in marked] == htmls

"""Hostile texts: none exceeds its limit; plain ones are stored as plain and counted; the rest is rendered."""

import random
import re
import string
import threading
import time
from html import unescape
from importlib import import_module

import pytest
from django.apps import apps
from hypothesis import given, settings
from hypothesis import strategies as st
from pygments.lexers import find_lexer_class_by_name

from datasets.models import Prompt, Response
from datasets.text import markdown, rendered, renderers, unfenced
from datasets.text.rendered import count_plain_texts, fill_prompt, list_rendered_responses
from tests.conftest import build_rows

# One name per lexer; most have several.
ONE_OF_EACH = sorted({find_lexer_class_by_name(name).name: name for name in sorted(markdown.LEXERS)}.values())
REPEATED = ["a", " ", "\n", " \n", "a\n", "  a\n", "a ", "/", '\\"', "(", "<", "a.", "0", "-", "'", "{{", "中"]

HOSTILE = {
    "blanks in a language we do not highlight": "```autoit\n" + " " * 40_000,
    "one letter in make": "```make\n" + "a" * 16_000,
    "blank lines in c": "```c\n" + " \n" * 8_000,
    "blank lines in python": "```python\n" + " \n" * 8_000,
    "groups in groups": "$" + r"\text{" * 60_000 + "$",
    "closed groups in groups": "$" + r"\text{" * 20_000 + "}" * 20_000 + "$",
    "half formulas": "$$a" * 60_000,
    "brackets": "[" * 150_000,
    "half links": "[a](" * 45_000,
    "half emphasis": "*a_" * 60_000,
    "half entities": "&#x" * 60_000,
    "half tags": "<a" * 90_000,
    "lines through": "~~a" * 60_000,
    "quotes in quotes": "> " * 90_000 + "a",
    "lists in lists": "".join("  " * level + "- a\n" for level in range(400)),
    "a wide table": "|a" * 1000 + "\n" + "|-" * 1000 + "\n" + ("|b" * 1000 + "\n") * 80,
    "references": "".join(f"[a{n}]: /x\n" for n in range(13_000)) + "[a1]" * 4000,
    "references after text": "".join(f"![a{n}][b]\n" for n in range(13_000)) + "[b]: https://a.b",
    "images": "![a](http://x)" * 14_000,
    "environments": "\\begin{align}a\n" * 190 + "a\n" * 90_000,
    "addresses": "http://a.b " * 18_000,
    "parentheses after an address": "http://a" + ")" * 190_000,
    "tags of reasoning": "<think>\n" * 12_000 + "`</think>`" * 10_000,
    "a row of many cells": "|a|b|\n|-|-|\n" + "|`a$x" * 30_000,
    "words in dollars": ("$" + "a" * 1900 + "$ ") * 100,
    "too long": "a" * (markdown.LONGEST_RENDERED + 1),
}


def repeat(unit, share, length, rng):
    """A unit repeated, with a share of the units replaced by two random letters."""
    out = ""
    while len(out) < length:
        out += unit if rng.random() >= share else "".join(rng.choices(string.ascii_lowercase, k=2))
    return out[:length]


def time_rendering(name, code):
    """Processor seconds to render a block of code."""
    started = time.process_time()
    markdown.render(f"```{name}\n{code}\n```\n")
    return time.process_time() - started


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_no_language_takes_long_for_repetitive_text(name):
    """At most a second, on a slow machine 150 times as long as for ordinary code; a bad pattern takes thousands.

    Measured at half the length that is highlighted: there a pattern with quadratic time takes a quarter of it. Not
    measured where a quarter of that half is so quick that not even cubic time would reach the limit.
    """
    rng = random.Random(name)
    length = markdown.LANGUAGE_LIMITS.get(name, markdown.LONGEST_CODE) // 2
    lines = (
        f'{rng.choice(["if", "x"])} y{rng.randint(0, 99)} = f("{rng.choice("abc")}") + 1;\n' for _ in range(length)
    )
    code = "".join(lines)[: length - 1]
    ordinary = min(time_rendering(name, code) for _ in range(2))
    for unit in REPEATED:
        for share in (0, 0.3):
            code, most = repeat(unit, share, length - 1, rng), max(renderers.SECONDS / 4, 75 * ordinary)
            if time_rendering(name, code[: length // 4]) * 4**3 > most:
                assert time_rendering(name, code) < most, (unit, share)


def test_code_of_every_language_on_the_list_is_highlighted():
    code = '# a\n+ if x == "a b" then 1 // 2 # three\n<b>0</b> {} = 1; - x'
    assert [name for name in markdown.LEXERS if "<span" not in markdown.render(f"```{name}\n{code}\n```")[0]] == []


def test_code_that_is_long_repetitive_or_in_another_language_is_shown_as_it_is():
    code = "\n".join(f"x{n} = {n * n}" for n in range(200))
    assert "<span" in markdown.render(f"```python\n{code}\n```")[0]
    for text in (f"```autoit\n{code}\n```", "```python\n" + "x = 1\n" * 1000 + "```", f"```python\n{code * 5}\n```"):
        html, why = markdown.render(text)
        assert ("<span" in html, why) == (False, "")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_takes_a_limited_time_and_is_shown(name):
    started = time.monotonic()
    ((html, why, seconds),) = rendered.RENDERERS.render([HOSTILE[name]])
    assert time.monotonic() - started < renderers.MAX_PAGE_TIME + renderers.MAX_WAIT + 1
    assert html
    assert seconds <= renderers.SECONDS + 0.1
    assert why in ("", "time", "long", None)


WORDS = [
    "a",
    "2 b",
    "3)",
    "Zwei",
    "três",
    "中文，好。",
    "x1",
    "(b)",
    "it's",
    '"so"',
    "e.g.",
    "50%",
    "a/b",
    "-",
    "1.",
    "!",
]
MARKS = [
    " ",
    "  ",
    "\n",
    "\n\n",
    "\n\n\n",
    "\t",
    "\xa0",
    "*",
    "_",
    "#",
    "> ",
    "    ",
    "&amp;",
    "\\",
    "$x$",
    "^2",
    "http://a.b/c",
]
PIECES = st.sampled_from([*WORDS, *MARKS])


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_what_needs_no_reader_looks_as_if_it_had_been_read(text):
    html = markdown.render_simple(text)
    assert html in (None, markdown.render(text)[0])


def test_plain_prose_needs_no_reader():
    for text in ("Hello, world.", "你可以考虑去夏威夷或马尔代夫。", 'One\ntwo (three): 4.\n\nNext - it\'s "so"!\n'):
        assert markdown.render_simple(text) == markdown.render(text)[0]
    parts = ["Be brief.", [["user", "Hi"], ["assistant", "Hello."]], "Go on", ""]
    assert markdown.render_simple_prompt(*parts) == markdown.render_prompt(*parts)[0]
    parts[1][0][1] = "*Hi*"
    assert markdown.render_simple_prompt(*parts) is None


def test_a_prompt_is_limited_as_a_whole():
    turns = [["user", "$$a" * 6000]] * 11
    html, why = markdown.render_prompt("", turns, "hi", "")
    assert (why, html["turns"][0][1].count("<math")) == ("", html["turns"][0][1].count("<math"))
    assert sum(text.count("<math") for _role, text in html["turns"]) <= markdown.MOST_FORMULAS
    _html, why = markdown.render_prompt("", [["user", "a" * 20_000]] * 11, "hi", "")
    assert why == "long"


def test_formulas_are_limited_by_length_depth_and_number():
    assert "<math" in markdown.render(r"$\frac{a}{b}$")[0]
    assert "<math" not in markdown.render("$" + "{" * 40 + "a" + "}" * 40 + "$")[0]
    assert "<math" not in markdown.render("$" + "a" * 3000 + "$")[0]
    assert markdown.render("$a$ " * 3000)[0].count("<math") == markdown.MOST_FORMULAS


@pytest.mark.parametrize(
    "text",
    [
        "So the chance is\n\\[ 1 - \\frac{2}{3} \\]\nand done.",
        "So:\n\\[\na\n+ b\n= c\n\\]",
        "- so:\n  \\[ x \\]\n- next",
        "> so:\n> \\[ x\n> y \\]\n> next",
        "So:\n\\( x^2 \\) holds",
        "So \\[ x \\] holds",
        "\\[ x \\] holds",
        "So:\n$$\na\n+ b\n$$\nholds",
    ],
)
def test_a_formula_right_after_a_line_of_text_is_rendered(text):
    html = markdown.render(text)[0]
    assert html.count("<math") == 1
    assert html.count("<li") == (2 if text[0] == "-" else 0), "a line with + is no item"
    assert not set("\\[]$") & set(html)
    words = [word for word in ("and done.", "holds", "next") if word in text]
    assert all(word in html for word in words), "what follows a formula is shown"


@pytest.mark.parametrize(
    "text", [r"Dear \[Your Name\],", "Yours\n\\[City, State\\]", r"as in \[1\]", "\\[ \\] to do", "\\[x"]
)
def test_escaped_brackets_around_words_are_no_formula(text):
    html = markdown.render(text)[0]
    assert "<math" not in html
    assert "[" in html


BLOCKS = "# a\n\nb\n\n- c\n  - d\n\n1. e\n\n   f\n\n> g\n\n"
BLOCKS += "| h |\n|---|\n| i |\n\n```\nj\n```\n\n    k\n\n\\[ l \\]\n\n$$m$$\n"


def test_each_block_takes_its_direction_from_its_text():
    html = markdown.render(BLOCKS)[0]
    opened = re.findall(r"<(p|h\d|ul|ol|li|blockquote|table|th|td|pre|div)\b([^>]*)>", html)
    assert {tag for tag, _ in opened} == {"p", "h3", "ul", "ol", "li", "blockquote", "table", "th", "td", "pre", "div"}
    assert [tag for tag, attributes in opened if 'dir="auto"' not in attributes] == []
    assert html.count('<code dir="ltr">') == 2
    assert html.count('<math dir="ltr"') == 2
    assert markdown.render_plain("a").startswith('<pre dir="auto">')
    assert 'dir="auto"' not in markdown.render('<p dir="rtl">a</p>')[0].replace('<p dir="auto">', "", 1)


PYTHON = "# Edit the gene\ndef edit(gene):\n    # Twice\n    if gene:\n        return 2 * gene\n\n    return None"
UNFENCED = {
    "JSON": '{\n  "a": [1, "*b*"],\n  "c": "\\\\n"\n}',
    "JSON on one line": '[{"a": "*b*"}]',
    "Python": PYTHON,
    "JavaScript": "const a = 1;\n\nfor (const b of c) {\n  d(b);\n}",
    "HTML": '<div class="a">\n  <p>*b*</p>\n</div>',
    "SQL": "SELECT *\n  FROM a\n WHERE b = 1;",
}


@pytest.mark.parametrize("name", UNFENCED)
def test_json_and_code_without_fences_keep_their_indentation(name):
    html = markdown.render(UNFENCED[name])[0]
    shown = unescape(re.sub(r"<[^>]+>", "", html))
    assert (html[:4], html.count("<pre"), shown.strip("\n")) == ("<pre", 1, UNFENCED[name])


def test_code_between_prose_is_set_apart():
    html = markdown.render(f"Here *you* go:\n{PYTHON}\nIt takes **one** gene.\n\n## Why\n\nBecause.")[0]
    assert re.findall(r"<(\w+) dir=.auto", html) == ["p", "pre", "p", "h3", "p"]
    assert "<em>you</em>" in html
    assert "<strong>one</strong>" in html


PROSE = {
    "verse": "Roses,\n    in the dawn;\n  softly (so) they glow:",
    "a list": "- a\n    - f(b)\n        - c = 1",
    "steps": "1. One:\n\n   Do it (now);\n\n2. Two",
    "a recipe": "Ingredients:\n  2 eggs;\n  1 cup (250 g) flour;\n  a pinch of salt",
    "a letter": "Dear Sir,\n\n  I write to you;\n  thanks.",
    "YAML": "list:\n  - a\n  - b",
    "formulas": "x = 1\ny = 2\n  \\[ z = 3 \\]",
    "a link": "[a](http://b.c)",
    "with a fence": "```\nif a:\n    b()\n```",
    "numbers": "1",
}


@pytest.mark.parametrize("name", PROSE)
def test_prose_is_not_taken_for_code(name):
    assert unfenced.wrap_unfenced_code(PROSE[name]) == PROSE[name]


def test_lines_of_prose_keep_their_leading_blanks():
    html = markdown.render("  One,\n    two,\n\tthree\nfour")[0]
    shown = re.sub(r"<(?!/?span)[^>]+>|\n", "", html)
    blanks = '<span class="blanks">{}</span>'.format
    assert shown == f"{blanks('  ')}One,{blanks('    ')}two,{blanks('    ')}threefour"
    assert "blanks" not in markdown.render(" One,\ntwo")[0]


@pytest.mark.django_db
def test_what_was_rendered_before_is_rendered_again(make_dataset):
    make_dataset(build_rows(2))
    Response.objects.update(html="<p>old</p>", plain="time")
    Prompt.objects.update(html={"instruction": "<p>old</p>"}, plain="long")
    import_module("datasets.migrations.0017_render_again").forget_html(apps, None)
    for model in (Prompt, Response):
        assert list(model.objects.values_list("html", "plain").distinct().order_by()) == [(None, None)]
    assert 'dir="auto"' in list_rendered_responses([Response.objects.first().pk])[0].html


SLOW = "[" * 150_000  # at least half a second
BRIEF = {"seconds": 0.05}


def test_a_child_that_takes_too_long_ends_and_another_takes_its_place():
    pool = renderers.Renderers(1, **BRIEF)
    pool.render(["*hi*"])
    child = pool.places.get()
    pool.places.put(child)
    ((html, why, _seconds),) = pool.render([SLOW])
    assert (why, html[:4]) == ("time", "<pre")
    assert child.process.poll() is not None
    assert pool.render(["*hi*"])[0][:2] == ('<p dir="auto"><em>hi</em></p>\n', "")


def test_a_child_has_a_limit_of_memory():
    child = renderers.Child(memory=48 << 20)
    done, _child = renderers.Renderers(1).render_one(child, "a*b_`<" * 30_000, 20)
    assert done[:2] == (markdown.render_plain("a*b_`<" * 30_000), "memory")


def test_who_finds_no_child_free_sees_plain_text_this_time():
    pool = renderers.Renderers(1)
    taken = pool.places.get()
    assert pool.render(["*hi*"]) == [('<pre dir="auto">*hi*</pre>', None, 0)]
    pool.places.put(taken)
    assert pool.render(["*hi*"])[0][:2] == ('<p dir="auto"><em>hi</em></p>\n', "")


def test_two_people_do_not_wait_for_one_hostile_page():
    """While one child process is busy, another renders."""
    pool = renderers.Renderers(2)
    pool.render(["*hi*"])
    slow = threading.Thread(target=pool.render, args=([SLOW] * 2,))
    slow.start()
    time.sleep(0.2)
    assert pool.render(["*hi*"])[0][1] == ""
    assert slow.is_alive(), "the other page is still being rendered"
    slow.join()


@pytest.mark.django_db
def test_a_slow_rendering_is_kept_at_once_and_counted(make_dataset, client, admin, monkeypatch):
    monkeypatch.setattr(rendered, "STORED_AT_ONCE", 50)
    monkeypatch.setattr(rendered, "RENDERERS", renderers.Renderers(1, **BRIEF))
    rows = build_rows(2)
    rows[0]["responses"][0]["text"] = SLOW
    rows[1]["prompt"] = "a" * (markdown.LONGEST_RENDERED + 1)
    dataset = make_dataset(rows)
    slow = Response.objects.get(text=SLOW)
    list_rendered_responses([slow.pk])
    fill_prompt(slow.prompt.__class__.objects.get(instruction__startswith="aaa"))
    slow.refresh_from_db()
    assert (slow.plain, slow.html[:4]) == ("time", "<pre")
    with monkeypatch.context() as unavailable:
        unavailable.setattr(rendered.RENDERERS, "render", None)  # a call would fail
        list_rendered_responses([slow.pk])
    assert count_plain_texts(dataset) == {"time": 1, "long": 1}
    client.force_login(admin)
    page = client.get("/datasets/demo/data/").content.decode()
    assert "1 text is shown as plain text: rendering took too long." in page
    assert "too long to render" in page
    assert Prompt.objects.count() == 2
    only = client.get("/datasets/demo/data/?status=plain").content.decode()
    assert "Show them" not in only
    assert "rendering took too long" in client.get(f"/datasets/demo/prompts/{slow.prompt_id}/").content.decode()


@pytest.mark.django_db
def test_a_text_that_was_changed_is_rendered_anew(make_dataset):
    make_dataset(build_rows(1))
    response = Response.objects.first()
    list_rendered_responses([response.pk])
    Response.objects.filter(pk=response.pk).update(text="*new*", html=None, plain=None)
    assert list_rendered_responses([response.pk])[0].html == '<p dir="auto"><em>new</em></p>\n'

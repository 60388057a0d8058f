"""Fair rendering: what a model wrote is shown, in any of its spellings, and the same text always in the same way."""

import re
from collections import Counter
from html import unescape
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datasets.text import markdown
from datasets.text.reasoning import split_reasoning

FORMULA = "x^2"
SPELLINGS = {
    "dollars": "${}$",
    "double dollars": "$${}$$",
    "parentheses": r"\({}\)",
    "brackets": r"\[{}\]",
    "double dollars on lines": "$$\n{}\n$$",
    "brackets on lines": "\\[\n{}\n\\]",
    "fence": "```math\n{}\n```",
    "align": "\\begin{{align}}\n{} &= y \\\\\nz &= 1\n\\end{{align}}",
    "align*": r"\begin{{align*}}{} &= y\end{{align*}}",
    "equation": "\\begin{{equation}}\n{}\n\\end{{equation}}",
    "aligned in dollars": "$$\n\\begin{{aligned}}\n{} &= y \\\\[4pt]\nz &= 1\n\\end{{aligned}}\n$$",
}
PLACES = {
    "alone": "{}",
    "after a line of text": "So:\n{}\nwhich holds.",
    "between paragraphs": "So:\n\n{}\n\nwhich holds.",
    "in an item": "- So:\n\n  {}\n- Next",
    "after the line of an item": "1. So:\n   {}\n2. Next",
    "in a quote": "> So:\n> {}",
}
IN_A_LINE = {"dollars", "double dollars", "parentheses", "brackets", "align*"}


def render(text):
    return markdown.render(text)[0]


def show(html):
    """The text that a reader sees."""
    return unescape(re.sub(r"<[^>]+>", "", html))


# --- formulas ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_formula_is_rendered_in_each_spelling_and_place(spelling, place):
    text = PLACES[place]
    indent = "> " if ">" in text else " " * len(re.findall(r"^( *)\{", text, re.MULTILINE)[0]) if " {" in text else ""
    formula = SPELLINGS[spelling].format(FORMULA).replace("\n", f"\n{indent}")
    html = render(text.format(formula))
    assert html.count("<math") == 1
    assert html.count("<msup>") == 1
    shown = show(html)
    assert not re.search(r"[$\\&]|begin|end\{|4pt|\(1\)", shown), shown
    assert [word for word in ("So:", "which holds.", "Next") if word in text and word not in shown] == []
    assert html.count("<li") == text.count("Next") * 2


@pytest.mark.parametrize("spelling", sorted(IN_A_LINE))
def test_a_formula_is_rendered_within_a_line_and_in_a_cell(spelling):
    formula = SPELLINGS[spelling].format(FORMULA)
    for text in (f"so {formula} holds.", f"| a | b |\n|---|---|\n| {formula} | **c** |"):
        html = render(text)
        assert (html.count("<math"), html.count("<msup>")) == (1, 1)
        assert not set("$\\") & set(show(html))


def test_the_rows_of_align_stand_below_each_other():
    assert render(SPELLINGS["aligned in dollars"].format("x")).count("<mtr>") == 2


MONEY = [
    "$5 and $10",
    "It costs $5 or 10$ in all",
    "from $1,000 to $2,000.50",
    "US$ 5 and US$ 6",
    "$5–$10, $3M vs. $4M",
    "Price: $$ - $$$",
    "pay $20 for lunch and 30$",
    "$5 | $6",
    "export $HOME and $PATH",
    "$HOME:$PATH",
    "$name = $value;",
    "a$ b$ c",
    "$$ means that it is expensive, $$$ very",
]


@pytest.mark.parametrize("text", MONEY)
def test_money_and_variables_are_no_formulas(text):
    html = render(text)
    assert "<math" not in html
    assert show(html).strip() == text


@pytest.mark.parametrize("text", ["$x$", "$ x $", "$2 + 2 = 4$", "$n$th", "($a_1$, $b$)", "$100$", r"$\$5 + 1$"])
def test_short_formulas_in_dollars_are_formulas(text):
    assert "<math" in render(text)


def test_dollars_in_code_stay_code():
    assert render("`$x$` and `$y`").count("<code>") == 2
    assert "<code>$PATH</code>" in render("$HOME and `$PATH`")


# --- tables, lists, code ----------------------------------------------------------------------------------------------


def test_a_table_is_one_after_a_line_of_text_too_and_keeps_every_cell():
    html = render("So:\n| a | b |\n|:--|--:|\n| 1 | 2 |\n| 3 |\n| 4 | 5 | 6 | `7` |")
    assert html.count("<tr>") == 4
    assert "<code>7</code>" in html
    assert show(html).split() == ["So:", "a", "b", "1", "2", "3", "4", "5", "|", "6", "|", "7"]


def test_pipes_in_the_formulas_and_code_of_a_cell_do_not_end_it():
    html = render("| a | b |\n|---|---|\n| $|x|$ | `c|d` |\n| \\(|y|\\) | e |")
    assert html.count("<math") == 2
    assert "<code>c|d</code>" in html
    assert html.count("<td") == 4


def test_a_break_in_a_cell_breaks_its_line():
    assert "1<br>\n2" in render("| a |\n|---|\n| 1<br>2 |")
    assert "1&lt;br&gt;2" in render("1<br>2")


@pytest.mark.parametrize("indent", [2, 4])
def test_nested_lists_are_nested(indent):
    text = "".join(f"{' ' * indent * level}- {level}\n" for level in range(3))
    assert re.sub(r' dir="auto"|\s', "", render(text)).startswith("<ul><li>0<ul><li>1<ul><li>2</li>")


CODE = "if a:\n\n        b = '*c*'\n\td"


@pytest.mark.parametrize(
    "text", [f"```py\n{CODE}\n```", f"~~~\n{CODE}\n~~~", f"```\n{CODE}", f"So:\n````python\n{CODE}"]
)
def test_code_keeps_its_blanks_also_where_the_answer_was_cut_off(text):
    assert CODE in show(render(text))
    assert render(text).count("<pre") == 1


def test_what_follows_a_fence_and_names_no_language_is_shown():
    assert show(render("```print('x')\ny\n```")).split() == ["print('x')", "y"]
    assert show(render('```c++ title="a"\ny\n```')).strip() == "y"


@pytest.mark.parametrize("text", ['{"a": [1, 2.50]}', '  [\n "a",\n\t{"b": null}\n]  ', '\n{"a":   "<b>*c*</b>"}\n'])
def test_json_as_a_whole_is_code_as_written(text):
    html = render(text)
    assert (html.count("<pre"), html.count("<code")) == (1, 1)
    assert show(html).strip("\n") == text.strip("\n")


def test_struck_text_tasks_and_footnotes():
    assert "<s>gone</s>" in render("~~gone~~")
    html = render("- [ ] do\n- [x] done\n- [y] no\n\n1. [X] *that*")
    assert re.findall("[☐☑]|\\[y\\]", html) == ["☐", "☑", "[y]", "☑"]
    assert "<em>that</em>" in html
    assert '<a href="https://a.b"' in render("see [b][1]\n\n[^1]: Note\n[1]: https://a.b")
    assert show(render("a[^1]\n\n[^1]: Note\n[^2]: https://a.b")).split() == [
        "a[^1]",
        "[^1]:",
        "Note",
        "[^2]:",
        "https://a.b",
    ]


BOLD = {
    "**注意：**请看": "注意：",
    "你好**（注）**吧": "（注）",
    "他说**“好”**。": "“好”",
    "**단어(영어)**는": "단어(영어)",
    "**bold**, so": "bold",
}


@pytest.mark.parametrize("text", BOLD)
def test_bold_text_needs_no_blanks_around_it_in_chinese(text):
    html = render(text)
    assert f"<strong>{BOLD[text]}</strong>" in html
    assert "*" not in html


@pytest.mark.parametrize("text", ["2 * 3 * 4", "a ** b", "中 * 文 * 字", "f(*args, **kwargs)"])
def test_other_asterisks_are_text(text):
    assert show(render(text)).strip() == text


# --- links and images -------------------------------------------------------------------------------------------------

LINKS = {
    "see https://a.b/c?d=1&e=2.": "https://a.b/c?d=1&e=2",
    "(https://a.b/c_(d))": "https://a.b/c_(d)",
    "**http://a.b**": "http://a.b",
    "见https://a.b/c。好": "https://a.b/c",
    "www.example.com, so": "http://www.example.com",
    "<https://a.b>": "https://a.b",
    "[a](https://a.b)": "https://a.b",
    "[a][1]\n\n[1]: https://a.b": "https://a.b",
}


@pytest.mark.parametrize("text", LINKS)
def test_addresses_are_links_that_open_in_a_new_tab(text):
    links = re.findall(r'<a href="([^"]+)" target="_blank" rel="noopener noreferrer nofollow">', render(text))
    assert unescape(links[0]) == LINKS[text]


def test_addresses_in_code_and_of_other_schemes_are_text():
    for text in ("`https://a.b`", "```\nhttps://a.b\n```", "javascript://a.b", "file:///etc", "a@www.b.c"):
        assert "<a" not in render(text)


def test_definitions_stay_visible():
    assert show(render('[a][1]\n\n[1]: https://a.b "T"\n[2]: https://c.d\n\nb')).split() == [
        "a", "[1]:", "https://a.b", '"T"', "[2]:", "https://c.d", "b",
    ]  # fmt: skip


IMAGES = {
    "![a *cat*](https://a.b/c.png)": "🖼 a cat",
    "![](https://a.b/c.png?d)": "🖼 c.png",
    "![a][1]\n\n[1]: https://a.b/c.png": "🖼 a",
    "![a](data:image/png;base64,aaaa)": "🖼 a",
}


@pytest.mark.parametrize("text", IMAGES)
def test_an_image_is_a_named_link_and_never_loaded(text):
    html = render(text)
    assert IMAGES[text] + '<span class="image"></span></a>' in html
    assert not re.search(r"<(?:img|picture|svg)| src=", html)


def test_an_image_in_a_link_makes_one_link():
    html = render("[![a](https://a.b/c.png)](https://d.e)")
    assert (html.count("<a "), html.count("</a>")) == (1, 1)
    assert 'href="https://d.e"' in html


# --- reasoning --------------------------------------------------------------------------------------------------------

REASONINGS = {
    "think": "<think>\nSome *thoughts*.\n</think>\n\nAn answer.",
    "on one line": "<think>Some *thoughts*.</think>An answer.",
    "thinking": "<thinking>Some *thoughts*.</thinking>\nAn answer.",
    "reasoning": "<REASONING>\nSome *thoughts*.\n</REASONING>\nAn answer.",
    "kimi": "◁think▷Some *thoughts*.◁/think▷An answer.",
    "thought": "<|begin_of_thought|>\nSome *thoughts*.\n<|end_of_thought|>\n\nAn answer.",
    "only closed": "Some *thoughts*.\n</think>\n\nAn answer.",
    "only closed after a sentence": "Some *thoughts*. </think> An answer.",
}


@pytest.mark.parametrize("name", REASONINGS)
def test_reasoning_is_folded_away_from_the_answer(name):
    html = render(REASONINGS[name])
    folded, answer = re.fullmatch(
        r'<details class="reasoning" data-words="2">\n(.+)</details>\n(.+)', html, re.DOTALL
    ).groups()
    assert folded == '<p dir="auto">Some <em>thoughts</em>.</p>\n'
    assert answer == '<p dir="auto">An answer.</p>\n'


def test_reasoning_that_was_cut_off_is_all_reasoning():
    assert render("<think>\nSome").endswith('<p dir="auto">Some</p>\n</details>\n')


def test_reasoning_may_come_between_parts_of_an_answer_and_be_empty():
    html = render("One.\n<think>\na\n</think>\nTwo.\n<think>\nb\n</think>\nThree.")
    assert re.findall(r"<(details|p)|(One|Two|Three)", html).count(("details", "")) == 2
    assert show(html).split() == ["One.", "a", "Two.", "b", "Three."]
    assert render("<think>\n\n</think>\n\nAn answer.") == '<p dir="auto">An answer.</p>\n'


NO_REASONING = [
    "Write `<think>` and `</think>` around it.",
    "```\n<think>\na\n</think>\n```\nb",
    "Say <think> at first, and </think> at the end.",
    "So:\n<think>\nis what it begins with.",
    "<thinker>a</thinker>",
    "a </think> b",
]


@pytest.mark.parametrize("text", NO_REASONING)
def test_tags_within_text_and_code_are_text(text):
    assert [part.is_reasoning for part in split_reasoning(text)] == [False]
    assert "<details" not in render(text)
    assert "think" in show(render(text))


def test_json_after_reasoning_is_code():
    assert render('<think>\na\n</think>\n\n{"b": 1}').count("<pre") == 1


def test_a_text_cannot_write_the_marks_of_the_renderer_itself():
    text = '<details class="reasoning" data-words="9">a</details> <span class="image"></span><span class="task">'
    assert not re.search(r"<(?:details|span)", render(text))


def test_only_an_answer_has_reasoning():
    said = "<think>\na\n</think>\nb"
    html, _why = markdown.render_prompt(said, [["user", said], ["assistant", said]], said, said)
    assert [text.count("<details") for _role, text in html["turns"]] == [0, 1]
    assert "<details" not in html["system"] + html["instruction"] + html["input"]


# --- nothing is lost --------------------------------------------------------------------------------------------------

# Neither blanks and control characters nor ASCII, of which letters are names of commands and languages.
VISIBLE = st.characters(
    min_codepoint=0xA1, exclude_categories=("Cs", "Cc", "Cn", "Co", "Cf", "Zs", "Zl", "Zp", "Mn", "Me")
)
WORDS = st.one_of(st.text(VISIBLE, min_size=1, max_size=6), st.sampled_from(["中文", "слово", "🙂", "ا", "½"]))
PIECES = [
    "{}", "{} ", "{}\n", "{}\n\n", "**{}**", "*{}* ", "__{}__ ", "~~{}~~", "`{}`", "# {}\n", "{}\n---\n", "- {}\n",
    "  - {}\n", "    - {}\n", "1. {}\n", "> {}\n", "- [ ] {}\n", "- [x] {}\n",
    "| {} | {} |\n|---|:-:|\n| {} | {} | {} |\n", "{} | {}\n", "```\n{}\n```\n", "~~~python\n{}\n~~~\n", "```{}\n",
    "    {}\n", "${}$", "$ {} $", "$${}$$", "\\({}\\)", "\\[ {} = 1 \\]\n",
    "\\begin{{align}}{} &= 1 \\\\ 2 &= {}\\end{{align}}\n", "```math\n{}\n```\n", "![{}](https://a.b/c.png)",
    "[{}](https://a.b)", "[{}][1]", "[^1]: {}\n", "[{}]: https://a.b\n", "https://a.b/{}", "<b>{}</b>", "<!-- {} -->",
    "<think>\n{}\n</think>\n", "{}\n</think>\n", "<think>\n{}", "&amp;{}", '{{"a": "{}"}}\n', "if {}:\n    b = {}\n",
    "$5 {} $", "<br>{}",
]  # fmt: skip
FRAGMENTS = [
    " ", "  ", "    ", "\n", "\n\n", "\t", "*", "**", "_", "~~", "`", "``", "```", "~~~", "#", "# ", "- ", "1. ",
    "> ", "|", "|-|-|\n", "[", "](", "]", ")", "(", "![", "]: ", "[^", "<", ">", "<https://", "https://", "$", "$$",
    "\\", "\\(", "\\)", "\\[", "\\]", "{", "}", "^", "&", "<think>", "</think>", "\\begin{align}", "\\end{align}",
    "=", "---", "[ ] ", "[x] ", "<br>", '"', "'", ":", ".", "\\text{",
]  # fmt: skip


@st.composite
def written(draw):
    """(a Markdown text, the characters in it that a reader must see)"""
    pieces, words = [], []
    for piece in draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=8)):
        filled = draw(st.lists(WORDS, min_size=5, max_size=5))
        words += filled[: piece.count("{}")]
        pieces.append(piece.format(*filled))
    return "".join(pieces), "".join(words)


@settings(max_examples=300, deadline=None)
@given(written())
def test_no_visible_character_of_a_markdown_text_is_lost(given_text):
    text, visible = given_text
    html, why = markdown.render(text)
    assert why == ""
    assert Counter(visible) - Counter(show(html)) == Counter(), html


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), WORDS), max_size=25).map("".join))
@example("[甲](https://a.b/乙)")
def test_no_character_of_any_text_is_lost_but_markup(text):
    """An address that a link hides is in the link."""
    html, _why = markdown.render(text)
    visible = [character for character in text if character > "\x7f"]
    assert Counter(visible) - Counter(unquote(unescape(html))) == Counter(), html


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([*FRAGMENTS, "a", "中"]), max_size=25).map("".join),
    st.sampled_from(["a", "```", "$x$" * 900]),
)
def test_the_same_text_is_rendered_the_same_whatever_was_rendered_before(text, other):
    first = markdown.render(text)
    markdown.render(other)
    assert markdown.render(text) == first

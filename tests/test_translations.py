"""Every text that people read is marked for translation, and has a Chinese translation."""

import ast
import re
from html.parser import HTMLParser

import polib
import pytest
from django.conf import settings
from django.utils.translation.template import templatize

TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))
SOURCES = [
    path
    for folder in ("analyze", "annotate", "api", "config", "datasets", "optimize")
    for path in sorted((settings.BASE_DIR / folder).rglob("*.py"))
    if "migrations" not in path.parts
]
CATALOGUE = polib.pofile(str(settings.BASE_DIR / "locale/zh_Hans/LC_MESSAGES/django.po"))
MARKS = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy"}
WITH_CONTEXT = {"pgettext", "pgettext_lazy"}
SAID_ALIKE = {"Chosen", "html", "travel", "中文", "English", "Aa"}  # names, signs, each language's own name
BOTH_AT_ONCE = {"500.html"}  # served when nothing works, not even the choice of a language


RETIRED = re.compile(  # words of earlier pages, with what pages say instead in ../docs and ../locale
    r"somebody|nobody|whoever|everybody|told apart|\bbesides\b|\bin hand\b|so many|foresee|\bstrange\b|known answer"
    r"|practice|practise|guideline\b(?! history)|left out|leave out|\banew\b|go(es)? on\b|\bhow you judge\b"
    r"|what you judged",
    re.IGNORECASE,
)
RETIRED_CHINESE = re.compile(
    "评判|(?<!系统)(?<!给出)提示(?!词)|指南|裁决|剔除|舍去|标记问题|词元|练习|已知答案|评审|一样好|短名(?!称)|数据包|别人手|没有人碰|放回去|你"
)


def iter_marked(source):
    """The texts that Python code marks for translation."""
    for node in ast.walk(ast.parse(source)):
        name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
        place = {**dict.fromkeys(MARKS, 0), **dict.fromkeys(WITH_CONTEXT, 1)}.get(name)
        if place is not None and isinstance(node.args[place], ast.Constant):
            yield node.args[place].value


def iter_template_marked(path):
    """The strings marked in a template; templatize turns its tags into Python-like text."""
    text = templatize(path.read_text(encoding="utf-8"), origin=str(path))
    for match in re.finditer(
        r"\b(?:_|gettext|ngettext|pgettext\([^,]*,)\(?\s*(u?(?:'(?:\\.|[^'])*'|\"(?:\\.|[^\"])*\"))", text
    ):
        yield ast.literal_eval(match[1])


def iter_all_marked():
    for path in SOURCES:
        for text in iter_marked(path.read_text(encoding="utf-8")):
            yield path.name, text
    for path in TEMPLATES:
        for text in iter_template_marked(path):
            yield path.name, text


def get_chinese(entry):
    return entry.msgstr or entry.msgstr_plural.get(0, "")


def test_every_marked_text_has_its_chinese():
    known = {entry.msgid: get_chinese(entry) for entry in CATALOGUE if "fuzzy" not in entry.flags}
    missing = {(where, text) for where, text in iter_all_marked() if not known.get(text)}
    assert not missing


def test_the_catalogue_holds_nothing_that_is_not_said():
    said = {text for _, text in iter_all_marked()}
    assert {entry.msgid for entry in CATALOGUE} - said == set()


def test_the_chinese_takes_the_same_values():
    placeholders = re.compile(r"%\(\w+\)s|<[^>]+>")
    find_values = lambda text: set(placeholders.findall(text))  # noqa: E731
    different = {
        entry.msgid: get_chinese(entry)
        for entry in CATALOGUE
        if find_values(get_chinese(entry)) != find_values(entry.msgid_plural or entry.msgid)
    }
    assert different == {}


def test_no_text_of_a_page_has_a_retired_word():
    texts = [text for entry in CATALOGUE for text in (entry.msgid, entry.msgid_plural)]
    assert [text for text in texts if RETIRED.search(text)] == []
    assert [text for text in map(get_chinese, CATALOGUE) if RETIRED_CHINESE.search(text)] == []


@pytest.mark.parametrize("text", ["Known answers", "Somebody else has it", "goes on", "Guideline"])
def test_a_retired_word_would_be_found(text):
    assert RETIRED.search(text)
    assert not RETIRED.search("Annotation guidelines · Guideline history · Gold questions")


class BareWordParser(HTMLParser):
    """The words that a template shows without a translation tag."""

    ATTRIBUTES = {"aria-label", "title", "alt", "label"}

    def __init__(self):
        super().__init__()
        self.found, self.silent = [], 0

    def handle_starttag(self, tag, attributes):
        self.silent += tag in ("code", "kbd", "style", "script")
        self.found += [value for name, value in attributes if name in self.ATTRIBUTES and value]

    def handle_endtag(self, tag):
        self.silent -= tag in ("code", "kbd", "style", "script")

    def handle_data(self, data):
        if not self.silent:
            self.found.append(data)


def find_bare_words(source):
    """Words of a template outside translation tags, variables and code."""
    for pattern in (
        r"{%\s*blocktranslate.*?endblocktranslate\s*%}",
        r"{% block body %}.*?{% endblock %}",  # attributes of <body>
        r"{%.*?%}",
        r"{{.*?}}",
        r"{#.*?#}",
    ):
        source = re.sub(pattern, " ", source, flags=re.S)
    words = BareWordParser()
    words.feed(source)
    return {word for text in words.found for word in re.findall(r"[^\W\d_]{2,}", text)} - SAID_ALIKE


def test_no_template_shows_a_word_without_a_translation_tag():
    shown = {
        str(path.relative_to(settings.BASE_DIR)): words
        for path in TEMPLATES
        if path.name not in BOTH_AT_ONCE and (words := find_bare_words(path.read_text(encoding="utf-8")))
    }
    assert shown == {}


def test_a_bare_word_would_be_found():
    assert find_bare_words('<p>{% translate "Save" %} Loading <b aria-label="Close">x</b></p>') == {"Loading", "Close"}

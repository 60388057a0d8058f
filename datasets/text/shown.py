"""What a page makes of stored HTML: words in the reader's language, reasoning as a dataset wants it, the raw text."""

import re
from html import escape

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from datasets.models import Dataset
from datasets.text.links import IS_IMAGE
from datasets.text.markdown import fold_reasoning
from datasets.text.reasoning import find_parts, split_reasoning

SHOW, FOLD, HIDE = Dataset.Reasoning.SHOW, Dataset.Reasoning.FOLD, Dataset.Reasoning.HIDE
# The renderer alone writes this tag, and never one within another.
REASONING = re.compile(r'<details class="reasoning" data-words="(\d+)">(.*?)</details>\n?', re.DOTALL)
LINE_BREAK = re.compile("\r\n")


def show_html(html: str, reasoning: str = FOLD) -> SafeString:
    """Stored HTML as a page shows it. reasoning: one of Dataset.Reasoning."""
    if "<details" in html:
        html = hide_reasoning(html) if reasoning == HIDE else add_headings(html, is_open=reasoning == SHOW)
    if IS_IMAGE in html:
        image = escape(_("image"))
        html = html.replace(IS_IMAGE, f' <span class="image">({image})</span>')
    return mark_safe(html)  # the renderer's own, and our words


def hide_reasoning(html: str) -> str:
    """The HTML without reasoning; a note where nothing else is there."""
    rest = REASONING.sub("", html)
    nothing = escape(_("No answer outside the reasoning."))
    return rest if rest.strip() else f'<p class="quiet">{nothing}</p>'


def add_headings(html: str, is_open: bool) -> str:
    """The HTML with a heading for each part of reasoning that unfolds."""

    def add_summary(match: re.Match[str]) -> str:
        n = int(match[1])
        words = ngettext("Reasoning (%(n)s word)", "Reasoning (%(n)s words)", n) % {"n": n}
        opened = '<details class="reasoning" open>' if is_open else '<details class="reasoning">'
        return f"{opened}<summary>{escape(words)}</summary>{match[2]}</details>\n"

    return REASONING.sub(add_summary, html)


def hide_reasoning_in_text(text: str) -> str:
    """A text without the reasoning between tags in it."""
    parts = split_reasoning(text)
    if not any(part.is_reasoning for part in parts):
        return text
    return "".join(part.text for part in parts if not part.is_reasoning)


def list_shown_places(text: str, reasoning: str = FOLD) -> list[int]:
    """The place in a text of each character that its raw view shows; browsers make one of CR LF, here at the CR.

    >>> list_shown_places("a\\r\\nb")
    [0, 1, 3]
    """
    parts = find_parts(text) if reasoning == HIDE else []
    if not any(is_reasoning for _start, _end, is_reasoning in parts):
        parts = [(0, len(text), False)]
    places: list[int] = []
    for begin, end in [(begin, end) for begin, end, is_reasoning in parts if not is_reasoning]:
        start = begin
        for line_break in LINE_BREAK.finditer(text, begin, end):
            places += range(start, line_break.start() + 1)
            start = line_break.end()
        places += range(start, end)
    return places


def show_raw(text: str, beside: str | None, reasoning: str = FOLD) -> SafeString:
    """The raw text of an answer. beside: the reasoning that came beside it."""
    if reasoning == HIDE:
        return mark_safe(format_raw(hide_reasoning_in_text(text)))
    thoughts = fold_reasoning(format_raw(beside), beside) if beside else ""
    return show_html(thoughts + format_raw(text), reasoning)


def format_raw(text: str) -> str:
    """A text with each of its characters; the first line feed belongs to the tag."""
    return f'<pre dir="auto">\n{escape(text, quote=False)}</pre>'

"""The documentation as pages: docs/ under /help/, in the reader's language where there is a translation."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from datasets.views.access import UserRequest, signed_in

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

ORDER = (
    *("annotating", "projects", "trust", "analysis"),
    *("formats", "trainers", "bundles", "models", "chat", "policies"),
    *("commands", "api", "operating", "security", "performance", "glossary"),
)
LINK = re.compile(r"\[([^\]]*)\]\((?:docs/|\.\./)?([a-z]+)\.md(?:#([^)]*))?\)")  # to another page of the documentation
OWN_LINK = re.compile(r"(?<=\]\(#)[^)]+(?=\))")  # to a heading of the same page
FILE_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#|/)[^)]*\)")  # to a file of the repository: only its text stays
WIDE = re.compile(r"<(pre|table)>")  # may scroll sideways: by keys too, once it can have the focus
HEADING = re.compile(r'(?<=<h[2-4] id=")[^"]*')
STYLE = re.compile(r' style="text-align:\w+"')  # of table cells: the content security policy forbids it


class Page(NamedTuple):
    """A page of the documentation. language: of its text."""

    path: Path
    language: str


@signed_in
@require_safe
def help_index(request: UserRequest) -> HttpResponse:
    """The list of pages."""
    pages = [(name, page.language, read_title(page)) for name in ORDER if (page := find_page(name))]
    return render(request, "help/index.html", {"pages": pages})


@signed_in
@require_safe
def help_page(request: UserRequest, name: str) -> HttpResponse:
    """One page of the documentation."""
    page = find_page(name)
    if page is None:
        raise Http404
    html = WIDE.sub(r'<\1 tabindex="0">', STYLE.sub("", render_page(page)))
    anchors = map_anchors(page)
    html = HEADING.sub(lambda found: anchors.get(found[0], found[0]), html)
    context = {"title": read_title(page), "language": page.language, "html": html}
    return render(request, "help/page.html", context)


def render_page(page: Page) -> str:
    """The HTML of a page without its title."""
    _title, _, text = page.path.read_text(encoding="utf-8").partition("\n")
    anchors = map_anchors(page)
    text = OWN_LINK.sub(lambda found: anchors.get(found[0], found[0]), text)
    return str(build_markdown().render(resolve_links(text)))


@cache
def map_anchors(page: Page) -> dict[str, str]:
    """{anchor: that of the same heading in English}, which all addresses use; empty for an English page."""
    if page.language == "en":
        return {}
    english = settings.BASE_DIR / "docs" / page.path.name
    own, common = (
        HEADING.findall(build_markdown().render(path.read_text(encoding="utf-8"))) for path in (page.path, english)
    )
    return dict(zip(own, common, strict=False))


@cache
def build_markdown() -> "MarkdownIt":
    """The renderer; loaded with the first page, as other pages render elsewhere."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins.anchors import anchors_plugin

    return MarkdownIt("commonmark", {"html": False}).enable("table").use(anchors_plugin, max_level=4)


def find_page(name: str) -> Page | None:
    """A page in the reader's language, else in English; None if there is none."""
    if name not in ORDER:
        return None
    folder, language = settings.BASE_DIR / "docs", get_language() or "en"
    pages = Page(folder / language / f"{name}.md", language), Page(folder / f"{name}.md", "en")
    return next((page for page in pages if page.path.exists()), None)


def read_title(page: Page) -> str:
    """The heading of a page."""
    with page.path.open(encoding="utf-8") as file:
        return file.readline().lstrip("# ").strip()


def resolve_links(text: str) -> str:
    """The Markdown with links to other pages of docs/ turned into their addresses under /help/."""

    def resolve(found: re.Match[str]) -> str:
        words, name, anchor = found.groups()
        page = find_page(name)
        if page is None:
            return words
        title = read_title(page) if words.endswith(".md") else words
        to = f"#{map_anchors(page).get(anchor, anchor)}" if anchor else ""
        return f"[{title}]({reverse('help-page', args=[name])}{to})"

    return FILE_LINK.sub(r"\1", LINK.sub(resolve, text))

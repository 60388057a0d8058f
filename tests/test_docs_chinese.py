"""The Chinese pages of docs/ have the parts of the English ones, and are what /help/ shows in Chinese."""

import re
from urllib.parse import unquote

import pytest
from django.conf import settings
from django.urls import reverse

from config.help import ORDER

DOCS = settings.BASE_DIR / "docs"
CHINESE = DOCS / "zh-hans"
PAGES = sorted(path.stem for path in CHINESE.glob("*.md"))
BLOCK = re.compile(r"^ *```\w*\n.*?^ *```$", re.M | re.S)


def read_pages(name):
    return [(folder / f"{name}.md").read_text(encoding="utf-8") for folder in (DOCS, CHINESE)]


def list_parts(text):
    """The levels of headings, the number of cells in each row of a table, and the code blocks."""
    prose = BLOCK.sub("", text)
    levels = re.findall(r"^(#+) ", prose, re.M)
    return levels, [line.count("|") for line in prose.splitlines() if line.startswith("|")], BLOCK.findall(text)


def list_anchors(path):
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", path.read_text(encoding="utf-8")), re.M)
    names = [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]
    before = [names[:place].count(name) for place, name in enumerate(names)]
    return [f"{name}-{times}" if times else name for name, times in zip(names, before, strict=True)]


def test_these_pages_are_in_chinese():
    assert {"annotating", "trust", "analysis", "glossary", "formats", "trainers", "bundles"} <= set(PAGES) <= set(ORDER)


@pytest.mark.parametrize("name", PAGES)
def test_a_chinese_page_has_the_parts_of_the_english_one(name):
    english, chinese = map(list_parts, read_pages(name))
    assert chinese == english


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_chinese_page_leads_somewhere(name):
    for target in re.findall(r"\]\(([^)]+)\)", BLOCK.sub("", read_pages(name)[1])):
        path, _, anchor = unquote(target).partition("#")
        page = CHINESE / (path or f"{name}.md")
        assert page.is_file(), target
        assert not anchor or anchor in list_anchors(page), target


@pytest.mark.django_db
@pytest.mark.parametrize("name", PAGES)
def test_help_shows_the_chinese_page_with_the_anchors_of_the_english_one(client, django_user_model, name):
    client.force_login(django_user_model.objects.create_user("chen"))
    url = reverse("help-page", args=[name])
    english, chinese = (
        client.get(url, headers={"accept-language": code}).content.decode() for code in ("en", "zh-hans")
    )
    assert '<article class="help-text" lang="zh-hans">' in chinese
    ids = re.compile(r'<h[2-4] id="([^"]*)"')
    assert ids.findall(chinese) == ids.findall(english) != []


@pytest.mark.django_db
@pytest.mark.parametrize("name", PAGES)
def test_every_link_to_a_heading_leads_to_one_under_help(client, django_user_model, name):
    client.force_login(django_user_model.objects.create_user("chen"))

    def show(address):
        return client.get(address, headers={"accept-language": "zh-hans"}).content.decode()

    address = reverse("help-page", args=[name])
    article = show(address).split('<article class="help-text"')[1]
    for path, anchor in re.findall(r'href="(/help/[a-z]+/)?#([^"]+)"', article.split("</article>")[0]):
        assert f'id="{unquote(anchor)}"' in show(path or address)


@pytest.mark.parametrize("name", [name for name in ORDER if name not in ("operating", "security")])
def test_no_page_of_help_names_a_file_of_the_repository(name):
    """Except the two for operators, who run it from the repository."""
    for path in (DOCS / f"{name}.md", CHINESE / f"{name}.md"):
        text = path.read_text(encoding="utf-8").replace("manage.py", "") if path.exists() else ""
        assert re.findall(r"`[^`\n]*(?:tests/|\.py\b)[^`\n]*`", text) == []

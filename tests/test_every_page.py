"""Every page in every state, as the server sends it: numbers, charts, language. tests/test_browser_pages.py looks at
them in a browser."""

import json
import re

import pytest
from django.utils.translation import override

from tests.every_page import PEOPLE, compile_english, every_page  # noqa: F401
from tests.test_annotate import Element, parse_page
from tests.test_judgment_pages import read_text
from tests.test_numbers import find_faults as find_odd_numbers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

UNIT = re.compile(r"[(（].+[)）]")
N = re.compile(r"\bn\b.*\d|[(（]n[)）]")


def iter_charts(element, around=None):
    """(svg, the element that holds its titles) of each chart: what is marked data-chart, else the drawing itself."""
    around = element if "data-chart" in element.attributes else around
    if element.tag == "svg":
        yield element, around or element
        return
    for child in element.children:
        if isinstance(child, Element):
            yield from iter_charts(child, around)


def read_marked(element, name, value=True):
    """The texts of the elements with this value of an attribute."""
    return [read_text(one) for one in element.find_all(**{name: value})]


def find_chart_faults(page):
    """What the charts of a page lack."""
    faults = []
    for svg, around in iter_charts(page):
        kind = svg["class"]
        horizontal, vertical = (read_marked(around, "data_axis", axis) for axis in "xy")
        if not horizontal or not all(UNIT.search(title) for title in horizontal):
            faults.append((kind, "x", horizontal))
        is_over_time = kind in ("bars", "spark") or "path" in {line["class"] for line in svg.find_all("line")}
        if is_over_time and not (vertical and all(UNIT.search(title) for title in vertical)):
            faults.append((kind, "y", vertical))
        if not any(N.search(text) for text in read_marked(around, "data_n")):
            faults.append((kind, "n"))
    return faults


# Texts of people and models, code, and what has a language of its own: what no catalogue translates.
FOREIGN_TAGS = {"code", "pre", "script", "textarea"}
FOREIGN_CLASSES = {"user", "brand", "text"}
SPOKEN = ("aria-label", "placeholder", "title", "alt")


def iter_words(element, is_foreign=False):
    """The texts and spoken attributes of an element, as they should be in the language of the page."""
    attributes = element.attributes
    yield from (attributes[name] for name in SPOKEN if attributes.get(name))
    is_foreign = is_foreign or element.tag in FOREIGN_TAGS or "data-response" in attributes
    is_foreign = is_foreign or bool(FOREIGN_CLASSES & set((attributes.get("class") or "").split()))
    is_foreign = is_foreign or attributes.get("lang") == "en" or attributes.get("id") == "past"
    is_foreign = is_foreign or attributes.get("name") in ("time_zone", "language")
    for child in element.children:
        if isinstance(child, Element):
            yield from iter_words(child, is_foreign)
        elif not is_foreign and child.strip():
            yield " ".join(child.split())


@pytest.mark.parametrize("language", ["en", pytest.param("zh-hans", marks=pytest.mark.once)])
def test_every_page_shows_grouped_numbers_titled_charts_and_one_language(client, every_page, language):  # noqa: F811
    faults, kinds = {}, set()
    english = compile_english() if language == "zh-hans" else None
    for name, (person, path, status, *_steps) in every_page.items():
        if person is None:
            continue
        client.force_login(person)
        with override(language):
            response = client.get(path, headers={"accept-language": language})
        assert (name, response.status_code) == (name, status)
        if "html" not in response["Content-Type"]:
            continue
        page = parse_page(response)
        found = find_odd_numbers(page, path)
        for main in page.find_all("main"):  # the page itself, and what a script keeps for later
            kinds |= {svg["class"] for svg, _around in iter_charts(main)}
            found += find_chart_faults(main)
        if english:
            found += [text for text in iter_words(page) if text not in PEOPLE and english.fullmatch(text)]
        if found:
            faults[name] = found
    assert kinds == {"plot", "bars", "spark", "stacked"}
    assert not faults, json.dumps(faults, indent=1, ensure_ascii=False)

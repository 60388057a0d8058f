"""Every chart of every page: titles of its axes with their units, and of how many."""

import re

import pytest
from django.utils.translation import override

from tests.every_page import every_page  # noqa: F401
from tests.test_annotate import Element, parse_page
from tests.test_judgment_pages import read_text

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


def find_faults(page):
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


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_chart_has_titles_of_its_axes_with_units_and_says_n(client, every_page, language):  # noqa: F811
    faults, kinds = {}, set()
    for name, (person, path, status, *_steps) in every_page.items():
        if status != 200 or person is None:
            continue
        client.force_login(person)
        with override(language):
            response = client.get(path, headers={"accept-language": language})
        assert (name, response.status_code) == (name, 200)  # on PostgreSQL too, which the walks leave to this test
        if "html" not in response["Content-Type"] or b"<svg" not in response.content:
            continue
        page = parse_page(response).find("main")
        kinds |= {svg["class"] for svg, _around in iter_charts(page)}
        if found := find_faults(page):
            faults[name] = found
    assert kinds == {"plot", "bars", "spark", "stacked"}
    assert not faults

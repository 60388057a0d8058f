"""Lists that are sorted by links in their headers."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from bench.simulate import HONEST, LEFT
from datasets.models import Dataset, Judgment
from datasets.views import sorting
from optimize.versions import save_version
from tests.conftest import create_person
from tests.crowds import create_judged_dataset
from tests.test_annotate import parse_page
from tests.test_judgment_pages import read_text

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.once,  # how a page sorts its rows does not depend on the database
]


@pytest.fixture
def boss(client, admin):
    client.force_login(admin)
    return client


@pytest.fixture
def lists(make_dataset, admin):
    """Something in every list: a crowd with its report, datasets, models, members."""
    create_judged_dataset(make_dataset, [HONEST, HONEST, HONEST, LEFT], judgments=40, gold=0.3, repeats=0.3)
    for n, state in enumerate(("paused", "closed", "open")):
        made = Dataset.objects.create(slug=f"set-{n}", name=("Zebra", "ant", "Bee")[n], state=state)
        Dataset.objects.filter(pk=made.pk).update(created_at=timezone.now() - timedelta(days=10 * n))
    for name in ("owl", "Cat", "bot"):
        save_version(name, "http://127.0.0.1:9/v1", f"tiny-{name[1]}")
    create_person("zoe", "reviewer")


RATES = ("gold", "self_consistency", "agreement", "left_share", "longer_share", "seconds_per_100_words")
LISTS = {  # {path: the order without a query, and the columns with links}
    "/datasets/": ("name", ["name", "state", "created"]),
    "/datasets/crowd/annotators/": (
        "",
        ["annotator", "judgments", *RATES],
    ),
    "/datasets/crowd/judgments/": ("-when", ["when"]),
    reverse("gold", args=["crowd"]): ("", ["right"]),
    "/datasets/crowd/quality/agreement/": ("", ["one", "other", "value", "n"]),
    "/datasets/crowd/quality/annotators/": ("", ["annotator", "judgments", "reliability", "drift"]),
    "/datasets/crowd/quality/counts/": ("", ["prompt", "response", "source", "chosen", "rejected", "tied"]),
    "/datasets/crowd/quality/strengths/": ("", ["source", "strength", "judgments"]),
    "/models/": ("name", ["name", "model", "server", "answers"]),
    "/team/": ("name", ["name", "role", "status", "active", "joined", "judgments"]),
    "/team/timesheet/": ("annotator", ["annotator", "dataset", "judgments", "skips", "hours"]),
}


def read_heads(page):
    """{column: its header cell} of the sortable columns."""
    heads = {}
    for head in page.find_all("th"):
        for link in head.find_all("a"):
            if found := re.search(r"[?&]sort=-?(\w+)", link["href"]):
                heads[found[1]] = head
    return heads


def read_column(page, column):
    """The cells of a sortable column, top to bottom, without a total."""
    for table in page.find_all("table"):
        if column in read_heads(table):
            heads = list(table.find("thead").find_all("th"))
            place = heads.index(read_heads(table)[column])
            rows = [list(row.children) for row in table.find("tbody").find_all("tr")]
            cells = [[cell for cell in row if getattr(cell, "tag", "") in ("td", "th")] for row in rows]
            return [read_text(row[place]) for row in cells if "colspan" not in row[0].attributes]
    raise AssertionError(column)


def test_each_column_sorts_both_ways_and_says_so(boss, lists, subtests):
    for path, (order, columns) in LISTS.items():
        with subtests.test(path):
            check_sorting(boss, path, order, columns)
        with subtests.test(f"an unknown column of {path}"):
            assert boss.get(path, {"sort": "password"}).status_code == 400
            assert boss.get(path, {"sort": "--name"}).status_code == 400


def check_sorting(boss, path, order, columns):
    page = parse_page(boss.get(path))
    assert list(read_heads(page)) == columns
    for column, head in read_heads(page).items():
        if order.removeprefix("-") == column:
            assert head["aria-sort"] == ("descending" if order.startswith("-") else "ascending")
        else:
            assert "aria-sort" not in head.attributes
    for column in columns:
        said = {}
        for sort in (column, f"-{column}"):
            sorted_page = parse_page(boss.get(path, {"sort": sort}))
            sorted_heads = read_heads(sorted_page)
            state = "descending" if sort.startswith("-") else "ascending"
            assert [
                (name, head["aria-sort"]) for name, head in sorted_heads.items() if "aria-sort" in head.attributes
            ] == [(column, state)]
            (link,) = sorted_heads[column].find_all("a")
            assert link["href"].endswith(f"sort={column}" if sort.startswith("-") else f"sort=-{column}")
            said[sort] = read_column(sorted_page, column)
        is_number = "num" in read_heads(page)[column].attributes.get("class", "")
        known = {
            sort: [cell.split()[0] if is_number and column != "when" else cell for cell in cells if cell != "–"]
            for sort, cells in said.items()
        }
        if len(said[column]) < 50:
            assert known[column] == known[f"-{column}"][::-1], column
        else:
            assert known[column] == sorted(known[column])
            assert known[f"-{column}"] == sorted(known[f"-{column}"], reverse=True)
        for cells in said.values():
            assert "–" not in cells[: len(known[column])], "what is not known is last"


def test_names_are_sorted_without_regard_to_case_and_numbers_as_numbers(boss, lists):
    assert [name.split()[0] for name in read_column(parse_page(boss.get("/datasets/")), "name")] == [
        "ant",
        "Bee",
        "crowd",
        "Zebra",
    ]
    assert [name.split("@")[0] for name in read_column(parse_page(boss.get("/models/?sort=-name")), "name")] == [
        "owl",
        "Cat",
        "bot",
    ]
    assert sorting.sort_rows(["b", None, "A", "c"], "-n", {"n": lambda row: row}) == ["c", "b", "A", None]


def test_a_link_keeps_the_filters_and_begins_with_the_first_page(boss, lists):
    page = parse_page(boss.get("/team/", {"role": "annotator", "q": "crowd", "after": "crowd-1"}))
    (link,) = read_heads(page)["judgments"].find_all("a")
    assert link["href"] == "?role=annotator&q=crowd&sort=-judgments"


@pytest.mark.parametrize("sort", ["name", "-name", "judgments", "-joined"])
def test_no_member_is_lost_between_pages(boss, monkeypatch, admin, sort):
    monkeypatch.setattr("annotate.views.people.PEOPLE_A_PAGE", 3)
    for n in range(10):
        create_person(f"person-{n}")
    seen, address = [], f"/team/?sort={sort}"
    while address:
        page = parse_page(boss.get(address))
        seen += read_column(page, "name")
        more = [link["href"] for link in page.find_all("a") if read_text(link) == "More"]
        address = f"/team/{more[0]}" if more else None
    assert sorted(seen) == sorted(["admin", *(f"person-{n}" for n in range(10))])
    assert len(seen) == 11
    if sort == "-name":
        assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("sort", ["when", "-when"])
def test_no_judgment_is_lost_between_pages(boss, lists, monkeypatch, sort):
    monkeypatch.setattr("datasets.judgments.listing.PAGE_SIZE", 7)
    monkeypatch.setattr("datasets.judgments.listing.list_page.__defaults__", (None, 7, False))
    Judgment.objects.filter(pk__in=Judgment.objects.values("pk")[:30]).update(decided_at=timezone.now())
    seen, address = [], f"/datasets/crowd/judgments/?sort={sort}"
    while address:
        page = parse_page(boss.get(address))
        body = page.find("tbody")
        seen += [
            int(re.search(r"/(\d+)/$", link["href"])[1])
            for link in body.find_all("a")
            if re.search(r"/judgments/\d+/$", link["href"])
        ]
        more = [link["href"] for link in page.find_all("a") if read_text(link) == "More"]
        address = f"/datasets/crowd/judgments/{more[0]}" if more else None
    falls = sort.startswith("-")
    votes = Judgment.objects.filter(purpose="vote").order_by(
        *(("-decided_at", "-pk") if falls else ("decided_at", "pk"))
    )
    assert seen == list(votes.values_list("pk", flat=True))


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.browser_context_args(java_script_enabled=False, viewport={"width": 360, "height": 740})
def test_without_a_script_on_a_phone_the_links_are_there(enter, admin, lists):
    page = enter(admin, "/team/")
    link = page.locator("thead").get_by_role("link", name="Judgments")
    expect(link).to_be_in_viewport()
    link.click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Judgments")
    expect(page.locator("tbody tr").first).to_contain_text("crowd-")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

"""Numbers are grouped (4,783) and dates ISO (2026-11-28 20:59) on every page, in both languages."""

import datetime
import json
import re

import pytest
from django.contrib.humanize.templatetags.humanize import intcomma
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.translation import override
from playwright.sync_api import expect

from analyze.report import make_report
from analyze.reports import load_parts
from annotate.models import Membership
from datasets.bundles.archive import Settings, make_bundle
from datasets.models import Change, Choice, Comparison, Gold, Import, Judgment, Prompt
from datasets.prompts import bulk
from tests.browsing import await_ready
from tests.test_access import iter_patterns
from tests.test_annotate import Element, parse_page

LANGUAGES = ("en", "zh-hans")
MANY, OPEN = 1_234, 30
# Four digits or more that are no year, no part of a word, a version, an address, a decimal or an ISO date, and no
# number of an article or a standard.
UNGROUPED = re.compile(r"(?<!arXiv )(?<!ISO )(?<![\w.,:/@#=+-])(?!20\d\d\b)\d{4,}(?![\w@]|-\d\d\b|[.:/]\w)")
MONTHS = "Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sep|Oct|Nov|Dec"
ODD_DATE = re.compile(
    rf"\b\d\d?/\d\d?/\d\d(?:\d\d)?\b|\b\d\d?\.\d\d?\.\d{{4}}\b|\d{{4}}-\d\d-\d\dT|\b(?:{MONTHS})[a-z]*\.? \d"
    rf"|\d (?:{MONTHS})\b|\d ?[年月] ?\d|\d ?[ap]\.?m\b|[上下]午|\b(?:noon|midnight)\b"
)
# Texts of people and models, code, and names of files.
FOREIGN = {"code", "pre", "script", "style", "textarea"}
SPOKEN = ("title", "aria-label", "placeholder", "alt", "data-label")


@pytest.fixture
def many(make_dataset, alice, bob, admin):
    """A dataset of more than a thousand of everything: alice and bob have judged all but OPEN comparisons."""
    rows = [
        {
            "prompt": f"Prompt {n // 100} of {n % 100}?",
            "responses": [{"model": f"m{m}", "text": f"Answer {m} to {n // 100} of {n % 100}."} for m in range(2)],
            "tags": ["trip"],
        }
        for n in range(MANY)
    ]
    dataset = make_dataset(rows, "many", overlap=3, hourly_rate=60.0, review="split", guideline="Be kind.")
    comparisons = list(Comparison.objects.filter(dataset=dataset).order_by("pk"))[OPEN:]
    now = timezone.now()
    judgments, choices = [], []
    for n, comparison in enumerate(comparisons):
        ids = comparison.response_ids
        for person in (alice, bob):
            about = {"comparison": comparison, "dataset": dataset, "annotator": person, "state": "saved"}
            judgments.append(Judgment(**about, order=ids, verdict="left", decided_at=now, leased_at=now, seconds=5000))
            first = person == alice or n % 5 != 0
            choices.append(Choice(judgment=judgments[-1], chosen_id=ids[not first], rejected_id=ids[first]))
    Judgment.objects.bulk_create(judgments)
    Choice.objects.bulk_create(choices)
    asked = Comparison.objects.filter(pk__in=[comparison.pk for comparison in comparisons])
    asked.update(open_slots=1, words=5000)
    asked.filter(pk__lt=comparisons[1100].pk).update(review="wanted")
    for person in (alice, bob):
        Membership.objects.create(user=person, dataset=dataset, judged=len(comparisons))
    Gold.objects.create(comparison=comparisons[0], dataset=dataset, verdict="tie")
    make_report(dataset)
    make_bundle(dataset, Settings(), "admin")
    bulk.add_tags(dataset, list(Prompt.objects.filter(dataset=dataset).values_list("pk", flat=True)), ["sea"], admin)
    return dataset


def list_addresses(dataset):
    """The addresses of all pages that show one dataset, and those of lists."""
    keys = {"slug": dataset.slug, "number": 1, "pk": None}
    rows = {"import": Import, "prompt": Prompt, "judgment": Judgment, "gold-one": Gold}
    addresses = [f"/datasets/many/quality/{name}/" for name in load_parts()]
    addresses += ["/datasets/many/export/?format=dpo&mode=every", "/datasets/many/export/?trainer=tables"]
    for pattern in iter_patterns(get_resolver()):
        found = keys | {"pk": rows[pattern.name].objects.latest("pk").pk if pattern.name in rows else None}
        try:
            addresses.append(reverse(pattern.name, kwargs={key: found[key] for key in pattern.pattern.converters}))
        except (KeyError, NoReverseMatch):
            continue
    return [address for address in addresses if not re.match("/(api|v1|accounts|set|healthz|demo)", address)]


def iter_texts(element):
    """What a person reads of an element: its texts and spoken attributes."""
    is_text = "text" in element.attributes.get("class", "").split() or "data-response" in element.attributes
    if element.tag in FOREIGN or is_text:
        return
    yield from (element.attributes[name] for name in SPOKEN if element.attributes.get(name))
    for child in element.children:
        if isinstance(child, Element):
            yield from iter_texts(child)
        elif child.strip():
            yield " ".join(child.split())


def find_faults(page, address=""):
    """Ungrouped numbers, ids aside, and dates in another form, on the page at an address."""
    ids = {
        n
        for place in [address, *(link["href"] for link in page.find_all(href=True))]
        for n in re.findall(r"\d+", place)
    }
    ids |= set(Change.objects.values_list("what", flat=True))
    faults = []
    for text in iter_texts(page.find("body")):
        faults += [text for n in UNGROUPED.findall(text) if n not in ids]
        faults += [text for _date in ODD_DATE.findall(text)]
    return faults


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_number_and_a_date_have_one_form(language):
    with override(language):
        assert intcomma(4_783_000) == "4,783,000"
        moment = datetime.datetime(2026, 11, 28, 20, 59, 5)
        assert [localize(one) for one in (moment, moment.date(), moment.time())] == [
            "2026-11-28 20:59",
            "2026-11-28",
            "20:59",
        ]


@pytest.mark.parametrize(
    ("text", "is_odd"),
    [
        ("4783 judgments", True),
        ("已标注 4783 条", True),
        ("of 14349.", True),
        ("4,783 judgments", False),
        ("2026-11-28 20:59", False),
        ("model-4000, v2.2024", False),
        ("Nov. 28, 2026, 8:59 p.m.", True),
        ("2026年11月28日", True),
        ("11/28/2026", True),
    ],
)
def test_what_counts_as_odd(text, is_odd):
    assert bool(UNGROUPED.search(text) or ODD_DATE.search(text)) == is_odd


def visit(client, addresses, language):
    """{address: faults} of the pages."""
    found, visited = {}, 0
    for address in addresses:
        response = client.get(address, headers={"accept-language": language})
        if response.status_code != 200 or "html" not in response["Content-Type"]:
            continue
        visited += 1
        if faults := find_faults(parse_page(response), address):
            found[address] = faults
    return found, visited


@pytest.mark.long
@pytest.mark.once  # the words of a number do not depend on the database
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_of_a_large_dataset_group_numbers(client, many, admin, alice, language):
    client.force_login(admin)
    found, visited = visit(client, list_addresses(many), language)
    assert visited > 30
    form = {"scope": "matching", "act": "add_tags", "tag": "hill"}
    asked = parse_page(client.post("/datasets/many/data/bulk/", form, headers={"accept-language": language}))
    found["bulk"] = find_faults(asked)
    form |= {"confirmed": "1", "shown": next(one["value"] for one in asked.find_all("input", name="shown"))}
    done = client.post("/datasets/many/data/bulk/", form, follow=True, headers={"accept-language": language})
    found["bulk, done"] = find_faults(parse_page(done))
    assert "1,234" in parse_page(done).find("main").text
    client.force_login(alice)
    found |= visit(client, ["/", "/annotate/many/", "/annotate/many/history/", "/annotate/many/me/"], language)[0]
    found = {address: faults for address, faults in found.items() if faults}
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_script_counts_grouped_numbers_on(enter, many, alice):
    Membership.objects.filter(user=alice).update(judged=998, judged_today=998, day=timezone.localdate())
    page = enter(alice, "/annotate/many/")
    for judged in ("998", "999", "1,000", "1,001"):
        expect(page.locator("#judged")).to_contain_text(judged)
        await_ready(page, 1)
        page.keyboard.press("Digit1")
    expect(page.locator(".meter > span")).to_contain_text("3,702")

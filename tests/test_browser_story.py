"""One story in a real browser: a new lead, an empty database, four files of answers, five invited people, a release.

The answers are good, fair, thin or wrong; four people choose the better one, bo the worse one.
"""

import io
import json
import re
import shlex
import zipfile
from collections import Counter
from math import comb
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from playwright.sync_api import expect

from annotate.models import User
from datasets.models import Choice, Comparison, Dataset, Judgment
from tests.browsing import await_judgments, await_sent, create_context, press, watch

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.long]

QUALITIES = ("good", "fair", "thin", "wrong")  # best first
PROMPTS, EACH, OVERLAP = 10, 9, 2  # EACH: judgments of each person
TEAM = ("ann", "bo", "cai", "dee", "eva")
CONTRARY = "bo"
CREATE_LEAD = re.compile(r"^echo '(?P<password>.+)' \| \.venv/bin/python manage\.py (?P<command>create_user .+)$", re.M)


def build_file(quality):
    """A file of one model as alpaca_eval writes it."""
    rows = [
        {
            "dataset": "helpful_base",
            "instruction": f"Question {n}: how long does light take from the sun?",
            "output": f"A {quality} answer to question {n}.\n\n- About eight minutes",
            "generator": f"model-{quality}",
        }
        for n in range(PROMPTS)
    ]
    return {
        "name": f"{quality}.json",
        "mimeType": "application/json",
        "buffer": json.dumps(rows, indent=2).encode(),
    }


def rank(answer):
    """The place of an answer by its quality; 0 for the best."""
    return QUALITIES.index(re.search("A ([a-z]+) answer", answer)[1])


@pytest.fixture
def open_page(browser, browser_context_args, troubles, until_served):
    """open_page(): a page of a new browser in which nobody is signed in."""
    contexts = []

    def open_one():
        contexts.append(create_context(browser, browser_context_args))
        watch(contexts[-1], troubles)
        return contexts[-1].new_page()

    yield open_one
    for context in contexts:
        context.close()
    until_served()
    assert not troubles


def test_from_an_empty_database_to_a_release(open_page, monkeypatch):
    password = create_lead_by_readme(monkeypatch)
    lead = open_page()
    sign_in(lead, "lead", password)
    import_files(lead)
    set_up(lead)
    links = [invite(lead, name) for name in TEAM]
    find_state(lead, "open").click()
    expect(lead.locator(".pill.open")).to_be_visible()
    for name, link in zip(TEAM, links, strict=True):
        annotate(open_page(), name, link)
    look_at_progress(lead)
    pairs = read_pairs(create_release(lead))
    assert pairs == list_agreed_pairs()
    assert all(rank(chosen) < rank(rejected) for chosen, rejected in pairs), "the better one, whichever side it was on"


def create_lead_by_readme(monkeypatch):
    """Runs the command of README.md that creates the lead; the password."""
    found = CREATE_LEAD.search((settings.BASE_DIR / "README.md").read_text(encoding="utf-8"))
    monkeypatch.setattr("sys.stdin", io.StringIO(found["password"] + "\n"))
    assert not User.objects.exists()
    call_command(*shlex.split(found["command"]))
    assert (User.objects.get().username, User.objects.get().is_admin) == ("lead", True)
    return found["password"]


def sign_in(page, name, password):
    page.goto("/")
    page.locator("#id_username").fill(name)
    page.locator("#id_password").fill(password)
    page.keyboard.press("Enter")
    expect(page.locator(".who")).to_contain_text(name)


def import_files(page):
    """Imports the files: every two answers of a prompt are compared by two people."""
    page.get_by_role("main").get_by_role("link").click()
    page.locator("[name=title]").fill("Light from the sun")
    page.locator("[type=file]").set_input_files([build_file(quality) for quality in QUALITIES])
    page.locator("#upload button.main").click()
    page.locator("[name=overlap]").fill(str(OVERLAP))
    page.keyboard.press("Tab")
    n = PROMPTS * comb(len(QUALITIES), 2)
    expect(page.locator("#estimate")).to_contain_text(f"{n * OVERLAP}")
    page.locator("[name=decision][value=store]").click()
    expect(page.locator(".checklist")).to_contain_text(f"{n}")
    assert Comparison.objects.count() == n


def set_up(page):
    """The task from a template, the guidelines, a trial that saves nothing."""
    step = lambda n: page.locator(".checklist > li").nth(n)  # noqa: E731
    checklist = page.locator(".dataset-bar").get_by_role("link", name="Checklist")
    step(1).get_by_role("link").click()
    page.locator("[name=template][value=helpfulness]").click()
    expect(page.locator("[name=criteria]")).to_have_value(re.compile("^helpful: .*\nhonest: .*\nharmless: "))
    checklist.click()
    expect(step(1)).to_have_class("done")
    step(2).get_by_role("link").click()
    page.locator("[name=guideline]").fill("Choose the **better** answer.")
    expect(page.locator(".typed-text")).to_have_text("Choose the better answer.")
    page.get_by_role("main").locator("button.main").click()
    checklist.click()
    expect(step(2)).to_have_class("done")
    step(4).get_by_role("link").click()
    await_script(page)
    press(page, "1", "1", "1", "1")
    expect(page.locator("header.top")).to_contain_text("2 of 10")
    page.locator(".dataset-bar nav a").first.click()
    assert not Judgment.objects.exists()


def invite(page, name):
    """The link that the checklist shows for a new annotator."""
    page.locator("#id_name").fill(name)
    page.locator("#invite button").click()
    link = page.locator("#link")
    expect(page.locator("label[for=link]")).to_contain_text(name)
    return link.input_value()


def find_state(page, state):
    return page.locator(f"[name=state][value={state}]")


def await_script(page):
    """Waits until a page with a comparison listens to keys."""
    page.locator("[data-response=left]").wait_for()
    page.wait_for_load_state()


def annotate(page, name, link):
    """Sets the password of an invited person and judges by keys alone."""
    page.goto(link)
    page.locator("#id_new_password1").fill(f"a password of {name}")
    page.locator("#id_new_password2").fill(f"a password of {name}")
    page.keyboard.press("Enter")
    page.locator(".card").get_by_role("link").click()
    await_script(page)
    for n in range(1, EACH + 1):
        left, right = (rank(page.locator(f"[data-response={side}]").inner_text()) for side in ("left", "right"))
        is_left = (left < right) != (name == CONTRARY)
        press(page, *("1" if is_left else "2") * 4)  # three criteria and the verdict
        expect(page.locator("#judged")).to_contain_text(re.compile(rf"(?<!\d){n}(?!\d)"))
    await_sent(page)
    await_judgments(EACH, annotator__username=name, state="saved")


def look_at_progress(page):
    """The numbers that the overview and the annotators' page show are those of the database."""
    page.reload()
    n = EACH * len(TEAM)
    numbers = page.locator(".numbers .number")
    expect(numbers.first).to_contain_text(re.compile(rf"^\s*{n}\s"))
    pairs = list(collect_votes().values())
    judged_twice = [votes for votes in pairs if votes.total() == OVERLAP]
    agreed = [votes for votes in judged_twice if len(votes) == 1]
    assert 0 < len(agreed) < len(judged_twice), "something to agree and something to differ on"
    expect(numbers.last).to_contain_text(f"{100 * len(agreed) / len(judged_twice):.0f} %")
    expect(page.locator("section[aria-labelledby=sources]")).to_contain_text("model-good")
    page.locator(".dataset-bar nav a").nth(3).click()
    for name in TEAM:
        row = page.locator("tbody tr").filter(has=page.get_by_role("link", name=name, exact=True))
        expect(row.locator("td").nth(1)).to_have_text(f"{EACH}")


def create_release(page):
    """Creates a release of the pairs on which two people agree; its archive as downloaded."""
    page.locator(".dataset-bar").get_by_role("link", name="Export").click()
    page.locator("details:has([name=min-votes]) > summary").click()
    fold, field = (
        page.locator("details:has([name=min-votes])").bounding_box(),
        page.locator("[name=mode]").bounding_box(),
    )
    assert field["x"] - fold["x"] < 30, "the filters have the whole width"
    page.locator("[name=min-votes]").fill("2")
    page.locator("[name=min-agreement]").fill("1")
    expect(page.locator(".sum")).to_contain_text(re.compile(rf"^\s*{len(list_agreed_pairs())} "))
    page.locator("button[name=release], button[formaction*=bundles]").click()
    page.wait_for_url("**/bundles/1/")
    with page.expect_download() as download:
        page.get_by_role("main").locator("a.button.main").click()
    assert Dataset.objects.get().snapshots.get().manifest["settings"]["min_votes"] == 2
    return Path(download.value.path())


def collect_votes():
    """{comparison: how many votes chose (chosen text, rejected text)} by the judgments in the database."""
    votes = {}
    for choice in Choice.objects.filter(criterion="", judgment__state="saved", judgment__purpose="vote"):
        texts = choice.chosen.text, choice.rejected.text
        votes.setdefault(choice.judgment.comparison_id, Counter())[texts] += 1
    return votes


def list_agreed_pairs():
    """[(chosen, rejected)] of the comparisons that two people judged alike."""
    return sorted(next(iter(votes)) for votes in collect_votes().values() if list(votes.values()) == [OVERLAP])


def read_pairs(path):
    """[(chosen, rejected)] of all parts of the release's `dpo` files."""
    with zipfile.ZipFile(path) as archive:
        files = [name for name in archive.namelist() if re.search(r"data/dpo/\w+\.jsonl$", name)]
        rows = [json.loads(line) for name in files for line in archive.read(name).decode().splitlines()]
    return sorted((row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows)

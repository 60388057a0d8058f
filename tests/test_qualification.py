"""Qualification: the page of the real task, taken again as often as allowed, its attempts kept and shown to admins."""

import re

import pytest

from annotate import practice
from annotate.judging.forms import Submission
from annotate.judging.question_spec import build_spec
from annotate.judging.record import record, save
from annotate.models import Membership, PracticeAttempt
from annotate.queue.fast_path import find_judgment
from annotate.queue.lease import lease_next
from datasets.models import Change, Comparison, Dataset, Gold, Judgment
from tests.test_annotate import HTMX, Browser, read_fields
from tests.test_practice import PAGE, answer, practising  # noqa: F401

ANNOTATORS = "/datasets/demo/annotators/"
RESET = f"{ANNOTATORS}qualification/"


def take(browser, rights):
    """One round, with these answers right or wrong; the page of the result."""
    for rightly in rights:
        answer(browser, rightly)
    return " ".join(browser.client.get(PAGE).content.decode().split())


def begin_again(browser):
    browser.client.post(PAGE, {"again": "1"})
    return browser


def list_attempts(person):
    attempts = PracticeAttempt.objects.filter(membership__user=person).order_by("number")
    return list(attempts.values_list("number", "right", "total", "passed"))


def test_a_failed_round_is_taken_again_as_often_as_is_allowed(practising, client, alice):  # noqa: F811
    Dataset.objects.update(practice_retakes=1)
    browser = Browser(client, alice, PAGE)
    page = take(browser, (False, False, False))
    assert "1 more attempt is allowed" in page
    page = take(begin_again(browser), (True, False, False))
    assert "No attempts left. Ask an admin" in page
    assert 'name="again"' not in page
    assert "Attempt 1: 0 of 3" in page
    assert "Attempt 2: 1 of 3" in page
    begin_again(browser)
    assert Membership.objects.get(user=alice).practice_round == 2
    assert list_attempts(alice) == [(1, 0, 3, False), (2, 1, 3, False)]
    assert client.get("/annotate/demo/")["Location"] == PAGE


def test_without_a_limit_it_is_taken_again_and_again(practising, client, alice):  # noqa: F811
    Dataset.objects.update(practice_retakes=None)
    browser = Browser(client, alice, PAGE)
    for _ in range(4):
        page = take(begin_again(browser), (False, False, False))
    assert 'name="again"' in page
    assert "allowed" not in page
    assert [number for number, *_ in list_attempts(alice)] == [1, 2, 3, 4]


def test_who_passed_may_take_it_again_and_stays_qualified(practising, client, alice):  # noqa: F811
    browser = Browser(client, alice, PAGE)
    assert "Passed: your judgments count" in take(browser, (True, True, False))
    passed_at = Membership.objects.get(user=alice).practised_at
    begin_again(browser)
    assert client.get("/annotate/demo/").status_code == 200, "also in the middle of it"
    page = take(browser, (False, False, False))
    assert "You have already passed, so you can keep annotating." in page
    assert Membership.objects.get(user=alice).practised_at == passed_at
    assert lease_next(alice, practising)
    assert list_attempts(alice) == [(1, 2, 3, True), (2, 0, 3, False)]


def test_an_admin_sees_the_attempts_and_allows_more(practising, client, alice, admin):  # noqa: F811
    Dataset.objects.update(practice_retakes=0)
    browser = Browser(client, alice, PAGE)
    take(browser, (True, False, False))
    client.force_login(admin)
    page = " ".join(client.get(ANNOTATORS).content.decode().split())
    assert "Attempt 1: 1 of 3" in page
    assert "not passed · no attempts left" in page
    assert client.post(RESET, {"person": alice.pk})["Location"] == f"{ANNOTATORS}#qualification"
    client.post(RESET, {"person": alice.pk})
    assert Membership.objects.get(user=alice).practice_round == 2, "a second click resets nothing"
    assert Change.objects.get(kind="member", after="practice").what == "alice"
    assert "alice: qualification reset" in client.get("/datasets/demo/log/").content.decode()
    assert "in progress" in client.get(ANNOTATORS).content.decode()
    client.force_login(alice)
    take(browser, (True, True, True))
    assert lease_next(alice, practising)
    client.force_login(admin)
    page = " ".join(client.get(ANNOTATORS).content.decode().split())
    assert "Attempt 1: 1 of 3 · Attempt 2: 3 of 3" in page
    assert "passed" in page


def test_who_is_asked_to_qualify_again_gets_nothing_more_and_loses_nothing(practising, client, alice):  # noqa: F811
    browser = Browser(client, alice, PAGE)
    take(browser, (True, True, True))
    first = lease_next(alice, practising)
    second = lease_next(alice, practising, [first.pk])
    record(first, 0, "left")
    held = find_judgment(alice, practising, second.pk)
    assert practice.reset(alice, practising)
    assert not Judgment.objects.filter(state="leased").exists()
    Judgment.objects.filter(pk=held.pk).update(state="leased")  # a lease that slipped through between two statements
    Comparison.objects.filter(pk=held.comparison_id).update(open_slots=0)
    saved = save(held, 0, Submission("left"), build_spec(practising, 2), leasing=True)
    assert (saved.changed, saved.next) == (True, None)
    assert lease_next(alice, practising) is None
    assert client.get("/annotate/demo/")["Location"] == PAGE
    told = client.post("/annotate/demo/ahead/", headers=HTMX).content.decode()
    assert "Qualification required" in told
    assert Judgment.objects.votes().filter(annotator=alice).count() == 2
    take(browser, (True, True, True))
    assert lease_next(alice, practising)


def test_the_fast_path_leases_again_once_the_dataset_needs_no_qualification(practising, client, alice):  # noqa: F811
    take(Browser(client, alice, PAGE), (True, True, True))
    practice.reset(alice, practising)
    Dataset.objects.update(practice=0)
    practising.refresh_from_db()
    judgment = find_judgment(alice, practising, lease_next(alice, practising).pk)
    assert save(judgment, 0, Submission("left"), build_spec(practising, 2), leasing=True).next


def test_the_known_answer_cannot_be_used_for_a_second_try(practising, client, alice):  # noqa: F811
    browser = Browser(client, alice, PAGE)
    answer(browser, False)
    judgment = Judgment.objects.get(purpose="practice")
    sent = {"judgment": judgment.pk, "revision": judgment.revision}
    assert client.post("/annotate/demo/undo/", sent).status_code == 404
    assert client.post("/annotate/demo/", sent | {"verdict": "left"}).status_code == 404
    judgment.refresh_from_db()
    assert judgment.state == "saved"


def test_a_round_that_ends_because_a_question_is_removed_is_kept_too(practising, client, alice):  # noqa: F811
    Dataset.objects.update(practice=4)
    browser = Browser(client, alice, PAGE)
    for _ in range(3):
        answer(browser, True)
    judgment = browser.look().judgment
    Gold.objects.get(comparison=judgment.comparison_id).delete()
    assert "3 of 3 correct" in client.get(PAGE).content.decode()
    assert list_attempts(alice) == [(1, 3, 3, True)]
    assert lease_next(alice, practising)


def test_the_command_resets(practising, client, alice, run_command):  # noqa: F811
    take(Browser(client, alice, PAGE), (True, True, True))
    done = {"dataset": "demo", "annotator": "alice", "changed": True}
    assert run_command("reset_qualification", "demo", "alice")[:2] == (0, done)
    assert run_command("reset_qualification", "demo", "alice")[1] == done | {"changed": False}
    assert run_command("reset_qualification", "demo", "nobody")[0] == 2
    _, shown, _ = run_command("set_dataset", "demo", "--practice-retakes", "5")
    assert shown["practice_retakes"] == 5
    assert run_command("set_dataset", "demo", "--practice-retakes", "")[1]["practice_retakes"] is None


@pytest.mark.parametrize(
    ("question", "more", "taught"),
    [
        ("pair", {}, ["A is better", "B is better", "Tie", "Both bad"]),
        ("scale", {}, ["From A much better to B much better"]),
        ("rank", {}, ["Rank of the marked answer; then the next one", "On to the next row; save"]),
        ("stars", {"allow_both_bad": False}, ["Stars for the marked answer; then the next one"]),
        ("pair", {"criteria": [{"name": "truth", "guideline": ""}]}, ["The row that is open; then the verdict"]),
    ],
)
def test_the_page_teaches_the_keys_of_its_question(practising, client, alice, question, more, taught):  # noqa: F811
    Dataset.objects.update(question=question, **more)
    client.force_login(alice)
    page = client.get(PAGE).content.decode()
    line, dialog = page[page.index("key-line") :], page[page.index('id="keys"') :]
    line = line[: line.index("</section>")]
    for words in taught:
        assert words in line
        assert words in dialog
    for button in re.findall(r'name="verdict" value="(\w+)"', page):
        assert button not in ("skip", "flag", "keep")
    assert "Undo (up to ten)" not in dialog
    assert "Skip" not in dialog
    assert "no skip, report or undo" in line


def test_the_page_has_the_tools_of_the_real_one(practising, client, alice):  # noqa: F811
    Dataset.objects.update(guideline="Look well.")
    client.force_login(alice)
    page = client.get(PAGE).content.decode()
    Dataset.objects.update(practice=0)
    real = client.get("/annotate/demo/").content.decode()
    tools = [re.findall(r'data-(?:opens|toggles)="(\w+)"|href="([^"]*history/)"', html) for html in (real, page)]
    assert sorted(set(tools[0])) == sorted(set(tools[1])) != []


def test_answers_read_as_forms_do_are_counted_once(practising, client, alice):  # noqa: F811
    browser = Browser(client, alice, PAGE)
    for _ in range(2):
        answer(browser, True)
    browser.look()
    sent = read_fields(browser.form) | {"verdict": "left"}
    for _ in range(2):
        client.post(PAGE, sent)
    assert len(list_attempts(alice)) == 1

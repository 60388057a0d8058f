"""What is filled in and not sent yet: kept on the server while the person holds the judgment, gone with the verdict."""

import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from annotate.judging.drafts import keep_draft
from annotate.judging.question_spec import build_prefix
from annotate.judging.record import record, undo
from annotate.queue.lease import lease_next
from datasets.models import Judgment
from tests.conftest import build_rows
from tests.test_annotate import HTMX, Browser, read_fields

pytestmark = pytest.mark.django_db

CLEAR = f"{build_prefix('clear')}_verdict"
DRAFT = "/annotate/demo/draft/"
ASKED = {"criteria": [{"name": "clear"}], "reasons": "optional", "allow_repair": True, "allow_flag": True}


@pytest.fixture
def at_work(client, alice, make_dataset):
    """Alice on the page of the first of four comparisons, with everything to fill in."""
    make_dataset(build_rows(4), **ASKED)
    return Browser(client, alice).look()


def send(page, status=204, **entries):
    sent = {name: value for name, value in read_fields(page.form).items() if name in ("judgment", "revision")}
    answer = page.client.post(DRAFT, sent | {"at": 1_000} | entries)
    assert answer.status_code == status
    return page


def list_checked(page):
    return {(box["name"], box["value"]) for box in page.form.find_all("input", checked=True)}


def read_text(page, name):
    (field,) = page.form.find_all(name=name)
    return field["value"] if field.tag == "input" else field.text


def test_a_draft_is_there_when_the_page_is_loaded_again_on_any_device(at_work, alice):
    entries = {"reason": "因为 <b>", "reasons": ["clearer", "safer"], CLEAR: "right", "repair_left": "Better.\n\n1"}
    send(at_work, **entries, flag="broken", note="see")
    page = Browser(Client(), alice).look()
    assert list_checked(page) == {
        ("reasons", "clearer"),
        ("reasons", "safer"),
        (CLEAR, "right"),
        ("flag", "broken"),
    }
    assert (read_text(page, "reason"), read_text(page, "note")) == ("因为 <b>", "see")
    assert read_text(page, "repair_left") == "\nBetter.\n\n1"
    assert page.form["data-draft"] == "1000"
    assert page.read_messages() == []


def test_the_last_draft_replaces_the_one_before(at_work):
    send(at_work, reason="one", reasons="clearer")
    send(at_work, reason="two")
    page = at_work.look()
    assert (read_text(page, "reason"), list_checked(page)) == ("two", set())


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize("verdict", ["left", "skip", "flag"])
def test_a_draft_ends_with_the_verdict(at_work, verdict, headers):
    send(at_work, reason="why")
    held = at_work.judgment
    assert held.draft
    fields = read_fields(at_work.form) | {CLEAR: "tie", "flag": "unsafe", "ready": "1"}
    at_work.give(verdict, {name: value for name, value in fields.items() if value is not None}, **headers)
    held.refresh_from_db()
    assert (held.draft, held.state in ("saved", "skipped")) == (None, True)
    assert "why" not in json.dumps(held.said)


def test_a_draft_of_a_reopened_judgment_ends_when_it_is_kept(at_work):
    held = at_work.judgment
    record(held, 0, "left", {"reason": "first"})
    undo(held, 1)
    at_work.look()
    assert read_text(at_work, "reason") == "first"
    send(at_work, reason="second")
    assert read_text(at_work.look(), "reason") == "second"
    at_work.give("keep")
    held.refresh_from_db()
    assert (held.draft, held.said) == (None, {"reason": "first"})


def test_a_draft_of_an_older_revision_is_not_shown(at_work):
    send(at_work, reason="old")
    Judgment.objects.filter(pk=at_work.judgment.pk).update(revision=2)
    assert read_text(at_work.look(), "reason") == ""


@pytest.mark.parametrize("state", ["saved", "skipped", "expired"])
def test_only_while_the_person_holds_it(at_work, state):
    Judgment.objects.update(state=state)
    send(at_work, 409, reason="why")
    assert Judgment.objects.get().draft is None


def test_a_draft_of_another_revision_or_of_another_persons_judgment_is_refused(at_work, bob):
    theirs = lease_next(bob, at_work.judgment.dataset)
    for judgment, revision in ((at_work.judgment.pk, 1), (theirs.pk, 0), (10**9, 0)):
        answer = at_work.client.post(DRAFT, {"judgment": judgment, "revision": revision, "at": 1, "reason": "why"})
        assert answer.status_code == 409
    assert not Judgment.objects.exclude(draft=None).exists()


@pytest.mark.parametrize(
    "broken",
    [
        {"reason": "x" * 65_536},
        {"reason": "字" * 22_000},
        {"reason": "\0"},
        {"at": "soon"},
        {"at": -1},
        {"at": 10**30},
        {"judgment": "x"},
        {"judgment": 10**30},
        {"revision": 10**30},
    ],
)
def test_a_draft_that_is_damaged_or_too_long_is_refused(at_work, broken):
    answer = at_work.client.post(DRAFT, {"judgment": at_work.judgment.pk, "revision": 0, "at": 1} | broken)
    assert answer.status_code in (409, 422)
    assert Judgment.objects.get().draft is None


def test_entries_that_the_question_does_not_have_are_not_shown(at_work):
    send(at_work, reasons="nonsense", rank_1="1", verdict="left", repair_new="x", **{CLEAR: "nonsense"})
    page = at_work.look()
    assert list_checked(page) == set()
    assert "nonsense" not in page.answer.content.decode()


def test_a_draft_is_in_no_export(at_work, alice, run_command, tmp_path):
    send(at_work, reason="drafted")
    for name in ("judgments-csv", "dpo"):
        path = tmp_path / name
        run_command("export_dataset", "demo", f"--format={name}", "--mode=every", f"--output={path}")
        assert "drafted" not in path.read_text()


def test_what_is_kept_ready_comes_with_its_draft(at_work, alice):
    first = at_work.judgment
    second = lease_next(alice, first.dataset, [first.pk])
    assert keep_draft(alice, first.dataset, second.pk, 0, {"reason": ["ahead"]}, at=5)
    answer = at_work.client.post("/annotate/demo/ahead/", {"have": first.pk}, headers=HTMX).content.decode()
    assert 'value="ahead"' in answer
    assert 'data-draft="5"' in answer


def test_a_draft_costs_one_statement_beside_its_transaction(at_work, alice):
    held = at_work.judgment
    dataset = held.dataset
    with CaptureQueriesContext(connection) as asked:
        keep_draft(alice, dataset, held.pk, 0, {"reason": ["x"]}, at=1)
    assert [query["sql"][:6] for query in asked if query["sql"][:6] in ("SELECT", "UPDATE", "INSERT")] == ["UPDATE"]

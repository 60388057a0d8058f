"""The practice round: before the first real comparison, with the known answer after each verdict."""

import re

import pytest

from annotate.judging.record import record
from annotate.models import Membership
from annotate.queue.lease import lease_next
from datasets.comparisons.gold import create_gold, list_choices
from datasets.models import Dataset, Gold, Judgment
from tests.conftest import build_rows
from tests.test_annotate import Browser, read_fields

PAGE = "/annotate/demo/practice/"


@pytest.fixture
def practising(make_dataset, admin):
    """Ten comparisons, four of them known answers for practice; three per round, two must be right."""
    dataset = make_dataset(build_rows(10), practice=3, practice_pass=60, allow_flag=True, allow_repair=True)
    for _ in range(4):
        judgment = lease_next(admin, dataset)
        record(judgment, 0, "left")
        judgment.refresh_from_db()
        create_gold(judgment, "It *says* so.", for_practice=True, by=admin)
    return dataset


def answer(browser, rightly):
    """Judges the shown comparison right or wrong; returns the page with the known answer."""
    judgment = browser.look().judgment
    best = Gold.objects.get(comparison=judgment.comparison_id).choices[0][0]
    side = ("left", "right")[judgment.order.index(best) ^ (not rightly)]
    browser.give(side)
    return browser.answer.content.decode()


def test_who_begins_practises_first_and_then_judges(practising, client, alice):
    assert client.get("/annotate/demo/").status_code == 302  # to sign in
    client.force_login(alice)
    assert client.get("/annotate/demo/")["Location"] == PAGE
    assert lease_next(alice, practising) is None
    browser = Browser(client, alice, PAGE)
    told = answer(browser, True)
    assert "Correct" in told
    assert "<em>says</em>" in told
    assert client.get("/annotate/demo/")["Location"] == PAGE
    assert "Not the expected answer" in answer(browser, False)
    assert "Show result" in answer(browser, True)
    page = client.get(PAGE).content.decode()
    assert "2 of 3 correct" in page
    assert "Start" in page
    assert Membership.objects.get(user=alice).practised_at
    assert client.get("/annotate/demo/").status_code == 200
    assert lease_next(alice, practising).purpose == "vote"


def test_who_does_not_pass_takes_the_round_once_more(practising, client, alice):
    browser = Browser(client, alice, PAGE)
    for _ in range(3):
        answer(browser, False)
    page = client.get(PAGE).content.decode()
    assert "0 of 3 correct; 2 required" in page
    assert client.get("/annotate/demo/")["Location"] == PAGE
    client.post(PAGE, {"again": "1"})
    client.post(PAGE, {"again": "1"})
    assert Membership.objects.get(user=alice).practice_round == 2
    for _ in range(3):
        assert "Your previous answer" not in browser.look().answer.content.decode()
        answer(browser, True)
    assert "3 of 3 correct" in client.get(PAGE).content.decode()
    assert Judgment.objects.filter(purpose="practice").count() == 3


def test_practice_holds_nothing_counts_nothing_and_is_in_no_export(practising, client, alice, run_command, tmp_path):
    browser = Browser(client, alice, PAGE)
    for _ in range(3):
        answer(browser, True)
    assert "You: 0 today" in client.get("/annotate/demo/").content.decode()
    _, summary, _ = run_command("export_dataset", "demo", "--format", "dpo", "--output", str(tmp_path / "o"))
    assert summary["rows"] == 4, "the admin's own"
    assert set(Judgment.objects.filter(purpose="practice").values_list("lease_until", flat=True)) == {None}


def test_the_same_form_twice_changes_nothing(practising, client, alice):
    browser = Browser(client, alice, PAGE).look()
    sent = read_fields(browser.form) | {"verdict": "left"}
    browser.give("left", sent)
    client.post(PAGE, sent | {"verdict": "right"})
    judgment = Judgment.objects.get(purpose="practice")
    assert (judgment.verdict, judgment.revision) == ("left", 1)
    assert len(list_choices([judgment.pk])[judgment.pk]) == 1


@pytest.mark.parametrize("verdict", ["skip", "flag", "nonsense"])
def test_what_is_not_asked_in_practice_is_refused(practising, client, alice, verdict):
    browser = Browser(client, alice, PAGE).look()
    assert browser.read_verdicts() == ["left", "tie", "right", "both_bad"]
    assert client.post(PAGE, read_fields(browser.form) | {"verdict": verdict}).status_code == 422
    assert Judgment.objects.get(purpose="practice").state == "expired"


def test_nobody_sees_what_is_known_before_they_have_said_theirs(practising, client, alice, bob):
    browser = Browser(client, alice, PAGE).look()
    assert client.get(f"{PAGE}{browser.judgment.pk}/").status_code == 404
    answer(browser, True)
    told = browser.answer.request["PATH_INFO"]
    assert client.get(told).status_code == 200
    client.force_login(bob)
    assert client.get(told).status_code == 404


def test_without_known_answers_without_a_round_and_for_admins_there_is_no_practice(practising, client, alice, admin):
    assert lease_next(admin, practising)
    Gold.objects.update(for_practice=False)
    assert lease_next(alice, practising)
    client.force_login(alice)
    assert client.get(PAGE)["Location"] == "/annotate/demo/"
    Gold.objects.update(for_practice=True)
    Dataset.objects.update(practice=0)
    assert client.get("/annotate/demo/").status_code == 200


def test_who_has_judged_here_is_spared_a_practice_that_is_set_later(practising, client, alice, bob):
    Dataset.objects.update(practice=0)
    practising.refresh_from_db()
    judgment = lease_next(alice, practising)
    record(judgment, 0, "left")
    assert lease_next(bob, practising), "who holds one has not judged yet"
    Dataset.objects.update(practice=3)
    practising.refresh_from_db()
    assert lease_next(alice, practising).purpose == "vote"
    assert lease_next(bob, practising) is None
    client.force_login(alice)
    assert client.get("/annotate/demo/").status_code == 200
    client.force_login(bob)
    assert client.get("/annotate/demo/")["Location"] == PAGE


def test_practice_has_the_scripts_of_the_real_page(practising, client, alice):
    client.force_login(alice)
    page = client.get(PAGE).content.decode()
    Dataset.objects.update(practice=0)
    real = client.get("/annotate/demo/").content.decode()
    scripts = [re.findall(r'<script src="([^"]+)"', html) for html in (real, page)]
    assert scripts[0] == scripts[1] != []
    for name in ("open", "one-each", "no-tie", "offline"):
        said = [re.search(rf'data-{name}="([^"]+)"', html)[1] for html in (real, page)]
        assert said[0] == said[1]
    assert "data-plain" in page, "one page after the other, with the known answer between them"

"""Guideline versions: what creates one, which one a judgment records, differences, notices."""

from importlib import import_module

import pytest
from django.apps import apps
from django.test import Client

from annotate.judging.record import record
from annotate.queue.lease import lease_next
from datasets.audit.guidelines import find_unseen_change
from datasets.exports.export import Export
from datasets.models import Dataset, Guideline, Judgment
from tests.conftest import build_rows

pytestmark = pytest.mark.django_db


def sign_in(user):
    client = Client()
    client.force_login(user)
    return client


def list_guidelines():
    return list(Guideline.objects.order_by("number").values_list("number", "text"))


STEPS = [  # in order: (setting, the newest version after it)
    ("--overlap=2", 0),
    ("--criteria=facts\ntone", 0),
    ("--guideline=Be fair.", 1),
    ("--guideline=Be fair.", 1),
    ("--name=Other", 1),
    ("--criteria=facts: are right\ntone", 2),
    ("--criteria=facts: are right\nclarity", 2),
    ("--guideline=", 3),
    ("--criteria=", 4),
    ("--guideline=Be fair.\n\nAgain.", 5),
    ("--guideline=Be fair.\r\n\r\nAgain.", 5),
]


def test_each_change_of_what_is_written_makes_a_version_and_nothing_else_does(pairs, run_command):
    for setting, number in STEPS:
        assert run_command("set_dataset", "demo", setting)[0] == 0
        newest = Guideline.objects.first()
        assert (Dataset.objects.get().guideline_number, newest.number if newest else 0) == (number, number), setting
    assert [text for _number, text in list_guidelines()] == ["Be fair.", "Be fair.", "", "", "Be fair.\n\nAgain."]


def test_a_judgment_keeps_the_number_that_it_was_made_under(make_dataset, alice, run_command):
    dataset = make_dataset(build_rows(4))
    for text in (None, "One.", "Two."):
        if text:
            run_command("set_dataset", "demo", f"--guideline={text}")
        judgment = lease_next(alice, Dataset.objects.get())
        record(judgment, 0, "left")
    assert list(Judgment.objects.order_by("pk").values_list("guideline", flat=True)) == [0, 1, 2]
    table = b"".join(Export(dataset, "judgments-csv").iter_pieces()).decode().splitlines()
    column = table[0].replace('"', "").split(",").index("guideline")
    assert [row.split(",")[column] for row in table[1:]] == ["0", "1", "2"]


def test_the_page_shows_two_versions_word_by_word_with_how_many_judged_under_each(pairs, admin, alice):
    boss = sign_in(admin)
    assert "Guideline history" not in boss.get("/datasets/demo/task/guidelines/").content.decode()
    record(lease_next(alice, pairs), 0, "left")
    for text in ("Choose the *better* answer.", "Choose the shorter answer.", "Choose."):
        boss.post("/datasets/demo/task/guidelines/", {"guideline": text})
        record(lease_next(alice, Dataset.objects.get()), 0, "left")
    record(lease_next(alice, Dataset.objects.get()), 0, "left")
    page = boss.get("/datasets/demo/task/guidelines/?old=1&new=2")
    shown = [(version.number, version.made_by, judgments) for version, judgments in page.context["versions"]]
    assert shown == [(3, admin, 2), (2, admin, 1), (1, admin, 1)]
    assert "1 judgment predates the first version." in page.content.decode()
    assert "Choose the <em><mark>better</mark></em> answer." in page.content.decode()
    assert "Choose the <mark>shorter </mark>answer." in page.content.decode()
    newest = boss.get("/datasets/demo/task/guidelines/").context
    assert (newest["old"].number, newest["new"].number) == (2, 3)
    assert "old" not in boss.get("/datasets/demo/task/guidelines/?new=1").context
    assert boss.get("/datasets/demo/task/guidelines/?old=1&new=9").status_code == 404
    assert boss.get("/datasets/demo/task/guidelines/?new=x").status_code == 400


def test_the_page_of_a_judgment_names_the_version(pairs, admin, alice, run_command):
    record(lease_next(alice, pairs), 0, "left")
    run_command("set_dataset", "demo", "--guideline=One.")
    record(lease_next(alice, Dataset.objects.get()), 0, "left")
    pages = [
        sign_in(admin).get(f"/datasets/demo/judgments/{pk}/").content.decode()
        for pk in Judgment.objects.order_by("pk").values_list("pk", flat=True)
    ]
    link = '<a href="/datasets/demo/task/guidelines/?new=1">version 1</a>'
    assert [link in page for page in pages] == [False, True]


def test_who_judged_before_a_change_is_told_of_it_and_nobody_else(pairs, alice, bob, run_command):
    def is_told(person):
        pages = [sign_in(person).get(f"/annotate/demo/{page}") for page in ("", "guideline/")]
        told = ["after your last judgment here." in page.content.decode() for page in pages]
        assert told == ["changed" in page.context and bool(page.context["changed"]) for page in pages]
        assert told[0] == told[1] == ("(changed on " in pages[0].content.decode())
        return told[0]

    record(lease_next(alice, pairs), 0, "left")
    assert not is_told(alice)
    run_command("set_dataset", "demo", "--guideline=One.")
    assert (is_told(alice), is_told(bob)) == (True, False)
    record(lease_next(alice, Dataset.objects.get()), 0, "left")
    assert not is_told(alice)


def test_a_guideline_of_before_versions_becomes_the_first_and_tells_nobody(make_dataset, alice):
    dataset = make_dataset(build_rows(2), guideline="Be\r\nfair.")
    Dataset.objects.create(slug="criteria", criteria=[{"name": "facts", "guideline": "are right"}, {"name": "tone"}])
    Dataset.objects.create(slug="nothing", criteria=[{"name": "tone", "guideline": ""}])
    record(lease_next(alice, dataset), 0, "left")
    for _ in range(2):
        import_module("datasets.migrations.0013_guideline_versions").first_versions(apps, None)
    found = Guideline.objects.order_by("dataset").values_list("dataset__slug", "number", "text", "criteria")
    assert sorted(found) == [
        ("criteria", 1, "", [{"name": "facts", "guideline": "are right"}]),
        ("demo", 1, "Be\nfair.", []),
    ]
    assert dict(Dataset.objects.values_list("slug", "guideline_number")) == {"demo": 1, "criteria": 1, "nothing": 0}
    assert Judgment.objects.get().guideline == 0
    assert find_unseen_change(Dataset.objects.get(slug="demo"), alice) is None

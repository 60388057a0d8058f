"""Known answers: created from an admin's judgment, matched with verdicts, explained, revoked."""

import json

import pytest
from django.urls import reverse

from annotate.judging.record import record
from annotate.queue.lease import lease_next
from datasets.comparisons.gold import CannotMakeGold, create_gold, derive_known_answer, is_right
from datasets.imports.undo import undo_import
from datasets.models import Change, Comparison, Gold, Import, Judgment
from tests.conftest import build_rows


def judge_next(user, dataset, verdict="left", **said):
    judgment = lease_next(user, dataset)
    record(judgment, judgment.revision, verdict, said)
    judgment.refresh_from_db()
    return judgment


ORDER = [(1, 2, 1), (1, 3, 2), (2, 3, 1)]  # 1 before 2 before 3


@pytest.mark.parametrize(
    ("verdict", "choices", "known"),
    [
        ("left", [(1, 2, 1)], ("choice", [[1, 2]])),
        ("tie", [(1, 2, 0)], ("tie", [])),
        ("both_bad", [], ("both_bad", [])),
        ("rank", ORDER, ("choice", [[1, 2], [1, 3], [2, 3]])),
        ("rank", [(1, 2, 0), (1, 3, 0), (2, 3, 0)], ("tie", [])),
        ("repair", [], ("", [])),
    ],
)
def test_what_is_known_is_what_was_said_in_all(verdict, choices, known):
    assert derive_known_answer(verdict, choices) == known


@pytest.mark.parametrize(
    ("known", "verdict", "said", "right"),
    [
        (("choice", [[1, 2]]), "left", [(1, 2, 1)], True),
        (("choice", [[1, 2]]), "right", [(2, 1, 3)], False),
        (("choice", [[1, 2]]), "tie", [(1, 2, 0)], False),
        (("choice", [[1, 2]]), "both_bad", [], False),
        (("tie", []), "tie", [(1, 2, 0)], True),
        (("tie", []), "left", [(1, 2, 1)], False),
        (("both_bad", []), "both_bad", [], True),
        (("both_bad", []), "tie", [(1, 2, 0)], False),
        (("choice", [[1, 2], [1, 3], [2, 3]]), "rank", [(1, 3, 1), (1, 2, 2), (3, 2, 1)], True),
        (("choice", [[1, 2], [1, 3], [2, 3]]), "rank", [(2, 1, 1), (1, 3, 1), (2, 3, 2)], False),
    ],
)
def test_a_judgment_is_right_where_it_says_which_is_best(known, verdict, said, right):
    assert is_right(Gold(verdict=known[0], choices=known[1]), verdict, said) == right


def test_a_known_answer_leaves_the_queue_and_its_vote_stays(make_dataset, admin, alice):
    dataset = make_dataset(build_rows(2), overlap=2)
    vote = judge_next(admin, dataset)
    create_gold(vote, by=admin)
    assert [lease_next(alice, dataset).comparison_id] != [vote.comparison_id]
    assert Judgment.objects.votes().count() == 1
    with pytest.raises(CannotMakeGold, match="is_gold"):
        create_gold(vote)


def test_what_is_flagged_or_says_nothing_gives_none(make_dataset, admin):
    dataset = make_dataset(build_rows(2))
    vote = judge_next(admin, dataset)
    Comparison.objects.filter(pk=vote.comparison_id).update(held="flagged")
    with pytest.raises(CannotMakeGold, match="held"):
        create_gold(vote)
    with pytest.raises(CannotMakeGold, match="nothing_said"):
        create_gold(judge_next(admin, dataset, "skip"))
    assert not Gold.objects.exists()


def test_an_admin_makes_explains_and_removes_one_on_the_pages(client, make_dataset, admin, alice):
    dataset = make_dataset(build_rows(3))
    vote = judge_next(admin, dataset)
    client.force_login(admin)
    address = reverse("judgment", args=["demo", vote.pk])
    assert "Make it a gold question" in client.get(address).content.decode()
    made = client.post(f"{address}gold/")
    one = Gold.objects.get()
    assert made["Location"] == f"/datasets/demo/gold/{one.pk}/"
    assert "Make it a gold question" in client.get(address).content.decode()
    assert "is a gold question already" in client.post(f"{address}gold/", follow=True).content.decode()
    client.post(made["Location"], {"reason": "Because *it is*.", "for_practice": "on"})
    one.refresh_from_db()
    assert (one.reason, one.for_practice, one.made_by) == ("Because *it is*.", True, admin)
    changes = Change.objects.filter(kind="gold").order_by("pk")
    assert list(changes.values_list("before", "after", "by_name")) == [
        (None, "choice", "admin"),
        ("mixed in", "practice", "admin"),
    ]
    page = client.get("/datasets/demo/gold/").content.decode()
    assert "0 of 0" in page
    assert "qualification" in page
    client.post(made["Location"], {"remove": "1"})
    assert not Gold.objects.exists()
    assert Comparison.objects.get(pk=vote.comparison_id).held == ""


KNOWN = {"prompt": "2 + 2?", "chosen": "4", "rejected": "5", "gold": True, "gold_reason": "It *is*."}


def test_a_file_brings_known_answers_with_its_judged_rows(make_dataset, alice, run_command, tmp_path):
    wide_row = {"prompt": "3 + 3?", "response_1": "6", "response_2": "7", "winner": "tie", "gold": "yes"}
    make_dataset([KNOWN, {"prompt": "1 + 1?", "chosen": "2", "rejected": "3", "gold": ""}])
    dataset = make_dataset([wide_row])
    found = {gold.comparison.prompt.instruction: gold for gold in Gold.objects.all()}
    assert {text: (gold.verdict, gold.reason) for text, gold in found.items()} == {
        "2 + 2?": ("choice", "It *is*."),
        "3 + 3?": ("tie", ""),
    }
    texts = dict(dataset.prompts.get(instruction="2 + 2?").responses.values_list("pk", "text"))
    assert [[texts[pk] for pk in choice] for choice in found["2 + 2?"].choices] == [["4", "5"]]
    assert set(Comparison.objects.filter(gold__isnull=False).values_list("held", flat=True)) == {"gold"}
    out = tmp_path / "o"
    _, summary, _ = run_command("export_dataset", "demo", "--format", "dpo", "--output", str(out))
    assert (summary["rows"], summary["left_out"]) == (2, {"tie": 1})
    make_dataset([KNOWN])
    assert Gold.objects.count() == 2


def test_an_import_of_known_answers_is_undone_with_them(make_dataset):
    make_dataset([{"prompt": "2 + 2?", "responses": ["4", "5"]}])
    make_dataset([KNOWN])
    assert Comparison.objects.get().held == "gold"
    undo_import(Import.objects.latest("pk"))
    assert not Gold.objects.exists()
    assert not Comparison.objects.exclude(held="").exists()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "Why?", "responses": ["a", "b"], "gold": True}, "no_known_answer"),
        (KNOWN | {"gold": "perhaps"}, "off_scale"),
        (KNOWN | {"gold_reason": 7}, "not_text"),
    ],
)
def test_a_row_that_claims_what_it_does_not_say_is_refused(run_command, tmp_path, db, row, reason):
    path, refused = tmp_path / "rows.jsonl", tmp_path / "refused.jsonl"
    path.write_text(json.dumps(row) + "\n")
    assert run_command("import_dataset", "demo", str(path), "--refused", str(refused))[0] == 1
    (line,) = map(json.loads, refused.read_text().splitlines())
    assert (line["reason"], line["line"]) == (reason, 1)


def test_only_an_admins_own_verdict_becomes_one(client, make_dataset, admin, alice):
    vote = judge_next(alice, make_dataset(build_rows(2)))
    client.force_login(admin)
    address = reverse("judgment", args=["demo", vote.pk])
    assert "Make it a gold question" not in client.get(address).content.decode()
    assert client.post(f"{address}gold/").status_code == 404


def test_the_pages_count_who_was_right(client, make_dataset, admin, alice, bob):
    dataset = make_dataset(build_rows(8), gold_share=50, overlap=2)
    vote = judge_next(admin, dataset)
    create_gold(vote, by=admin)
    for someone in (alice, bob):
        while judgment := lease_next(someone, dataset):
            best = judgment.order.index(vote.order[0]) if judgment.comparison_id == vote.comparison_id else 0
            right = "left" if best == 0 else "right"
            wrong = {"left": "right", "right": "left"}[right]
            record(judgment, 0, right if someone == alice else wrong)
    tried = Judgment.objects.filter(purpose="gold").count()
    client.force_login(admin)
    right = Judgment.objects.filter(purpose="gold", annotator=alice).count()
    assert f"{right} of {tried}" in client.get("/datasets/demo/gold/").content.decode()

"""An import can be undone until somebody has judged one of its rows."""

import json

import pytest

from annotate.judging.record import record
from annotate.queue.lease import lease_next
from datasets.audit.delete_dataset import delete_dataset
from datasets.comparisons.flags import LEAVE_OUT_PROMPT, decide
from datasets.imports import check as imports_check
from datasets.imports import store as imports_store
from datasets.imports.undo import CannotUndo, undo_import
from datasets.models import Choice, Comparison, Dataset, Import, Judgment, Prompt, Rating, Response
from tests.conftest import build_rows


@pytest.fixture
def bring(tmp_path, db):
    """bring(rows): the Import that stored the rows in the dataset `demo`."""

    def store(rows, name="more.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        with open(path, "rb") as file:
            return imports_store.store(imports_check.check([(name, file)], "demo"))

    return store


def list_everything():
    """The contents of the dataset, without ids."""
    return (
        sorted(Prompt.objects.values_list("instruction", flat=True)),
        sorted(Response.objects.values_list("text", "candidate", "demonstration")),
        Comparison.objects.filter(held="").count(),
        Judgment.objects.count(),
        Choice.objects.count(),
    )


JUDGED = {"prompt": "Prompt 0?", "chosen": "New.", "rejected": "Worse.", "annotator": "u"}
SECOND_IMPORTS = {
    "new prompts": [{"prompt": "Other?", "responses": ["a", "b"]}],
    "answers to an old prompt": [{"prompt": "Prompt 0?", "response": "Third.", "model": "m9"}],
    "a verdict on new answers": [JUDGED],
    "a demonstration": [{"instruction": "Prompt 1?", "output": "Do so."}],
    "a role for an old answer": [{"prompt": "Prompt 2?", "response": "Answer 0 to 2.", "source": "m0"}],
    "a role that asks": [
        {"instruction": "Prompt 3?", "output": "Lone."},
        {"prompt": "Prompt 3?", "responses": ["Lone.", "x"]},
    ],
}


@pytest.mark.parametrize("rows", SECOND_IMPORTS.values(), ids=SECOND_IMPORTS)
def test_undone_it_is_as_if_it_had_never_come(bring, rows):
    bring(build_rows(4))
    before = list_everything()
    run = bring(rows)
    undo_import(run)
    assert list_everything() == before
    assert run.state == "undone"


def test_a_role_given_by_a_later_import_is_taken_back(bring):
    bring(
        [{"prompt": "P?", "chosen": "a", "rejected": "b", "annotator": "u"}, {"prompt": "P?", "responses": ["c", "d"]}]
    )
    before = list_everything()
    run = bring([{"prompt": "P?", "responses": ["a", "c"]}])
    assert Response.objects.get(text="a").candidate
    undo_import(run)
    assert list_everything() == before


@pytest.mark.parametrize("verdict", [None, "left", "skip"])
def test_what_people_have_judged_or_hold_stays(bring, alice, verdict):
    run = bring(build_rows(3))
    judgment = lease_next(alice, Dataset.objects.get())
    if verdict:
        record(judgment, 0, verdict)
    before = list_everything()
    with pytest.raises(CannotUndo, match="judged"):
        undo_import(run)
    assert list_everything() == before
    assert Import.objects.get(pk=run.pk).state == "done"


def test_what_people_flagged_stays_and_stays_held(bring, alice):
    run = bring(build_rows(2, answers=3))
    Dataset.objects.update(allow_flag=True)
    for decision in (LEAVE_OUT_PROMPT, None):
        judgment = lease_next(alice, Dataset.objects.get())
        record(judgment, 0, "flag", flag="broken")
        assert decision is None or decide(judgment.comparison_id, "flagged", decision)
    before = dict(Comparison.objects.values_list("pk", "held"))
    assert set(before.values()) >= {"flagged", "withdrawn"}
    with pytest.raises(CannotUndo, match="judged"):
        undo_import(run)
    assert dict(Comparison.objects.values_list("pk", "held")) == before


def test_what_a_later_import_builds_on_stays(bring):
    first = bring([{"prompt": "P?", "responses": ["a", "b"]}])
    bring([{"prompt": "P?", "chosen": "a", "rejected": "b", "annotator": "u"}])
    with pytest.raises(CannotUndo, match="used"):
        undo_import(first)


def test_a_prompt_that_others_have_answered_since_stays_with_their_answers(bring):
    first = bring([{"prompt": "P?", "response": "a", "model": "m"}])
    second = bring([{"prompt": "P?", "response": "b", "model": "n"}, {"prompt": "P?", "response": "c", "model": "n"}])
    undo_import(first)
    assert [prompt.imported for prompt in Prompt.objects.all()] == [second]
    assert sorted(Response.objects.values_list("text", flat=True)) == ["b", "c"]
    assert Comparison.objects.count() == 1


def test_an_undo_that_was_interrupted_is_finished_at_the_next_start(bring, monkeypatch):
    run = bring(build_rows(3))
    with monkeypatch.context() as patched:
        patched.setattr("datasets.imports.undo.remove", lambda *a: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            undo_import(run)
    assert Import.objects.get(pk=run.pk).state == "undoing"
    monkeypatch.setattr(imports_store, "STALE", imports_store.STALE * 0)
    assert imports_store.resume_unfinished() == (1, 0)
    assert not Prompt.objects.exists()


def test_undone_twice_is_refused(bring):
    run = bring(build_rows(1))
    undo_import(run)
    with pytest.raises(CannotUndo, match="not_stored"):
        undo_import(run)


def test_the_same_file_can_be_stored_again_after_an_undo(bring):
    undo_import(bring(build_rows(2)))
    assert bring(build_rows(2)).prompts == 2


def test_a_deleted_dataset_takes_all_that_people_said_with_it(make_dataset, alice, bob):
    dataset = make_dataset(build_rows(2), question="stars", ask_repairs=True, allow_flag=True, overlap=2)
    criteria = {"truth": {"stars": [1, 5]}}
    said = {"stars": [5, 3], "criteria": criteria, "repairs": {"new": "Better."}}
    record(lease_next(alice, dataset), 0, "rate", said)
    record(lease_next(bob, dataset), 0, "flag", {"note": "x"}, flag="leak")
    of_people = [Rating, Choice, Judgment, Comparison.barred.through, Response.writers.through]
    assert all(model.objects.exists() for model in of_people)
    kept = make_dataset(build_rows(1), slug="kept")
    record(lease_next(alice, kept), 0, "left")
    delete_dataset(dataset)
    assert [model.objects.count() for model in of_people] == [0, 1, 1, 0, 0]
    assert (Response.objects.count(), Comparison.objects.count(), Dataset.objects.get()) == (2, 1, kept)

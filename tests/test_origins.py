"""Ids, metadata, labels and margins of files: stored once, undone with their import, and back in exports."""

import csv
import io
import json
import zipfile

import pytest

from datasets.audit.delete_dataset import delete_dataset
from datasets.bundles.archive import Settings, make_bundle
from datasets.bundles.snapshots import iter_content
from datasets.db.write_lock import batch_transaction
from datasets.exports.export import Export
from datasets.exports.extras import EXTRAS, get_dialects_with_extras
from datasets.exports.selection import EVERY, Filters
from datasets.formats import get_writable_formats, rows
from datasets.imports import check as imports_check
from datasets.imports import store as imports_store
from datasets.imports.batch_writer import store_batch
from datasets.imports.batches import iter_batches
from datasets.imports.spool import Spool, get_spool_path
from datasets.imports.undo import undo_import
from datasets.models import Choice, Dataset, Import, Prompt, Response, RoleGiven
from datasets.prompts.editing import EditedAnswer, save_prompt
from datasets.prompts.origins import shorten_hash
from datasets.text.fingerprints import fingerprint_prompt, hash_text
from tests.test_import import age_imports

pytestmark = pytest.mark.django_db

QUESTION = "Name a moon of Mars."
PAIR = {"prompt": QUESTION, "chosen": "Phobos.", "rejected": "Luna."}
WITH_ID = PAIR | {"id": "row-17", "topic": "space"}
GOOD = {"prompt": QUESTION, "completion": "Phobos.", "label": True}
BAD = {"prompt": QUESTION, "completion": "Luna.", "label": False}
LABELS, PREFERENCES = ("kto", "kto-messages"), ("dpo", "reward")


def check(found, name="rows.jsonl", slug="demo"):
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found).encode()
    return imports_check.check([(name, io.BytesIO(data))], slug)


@pytest.fixture
def put(db):
    """put(rows): the Import that stored them in the dataset `demo`."""
    return lambda found, name="rows.jsonl": imports_store.store(check(found, name))


def export(name, extras=(), **filters):
    """(rows, what is left out) of an export of `demo`."""
    run = Export(Dataset.objects.get(slug="demo"), name, Filters(**filters), extras=extras)
    data = b"".join(run.iter_pieces())
    if name == "judgments-csv":
        return list(csv.DictReader(io.StringIO(data.decode(), newline=""))), run.build_account()["left_out"]
    return [json.loads(line) for line in data.split(b"\n")[:-1]], run.build_account()["left_out"]


def get_origins(text=QUESTION):
    return Prompt.objects.get(instruction=text).origins


def list_everything():
    """The contents of the database, without ids."""
    return (
        sorted(Prompt.objects.values_list("instruction", flat=True)),
        sorted([origin[1:] for prompt in Prompt.objects.all() for origin in prompt.origins], key=str),
        sorted(Response.objects.values_list("text", "demonstration", "label"), key=str),
        sorted(Choice.objects.values_list("chosen__text", "rejected__text", "strength", "margin"), key=str),
        RoleGiven.objects.count(),
    )


# --- origins --------------------------------------------------------------------------------------------------------


def test_a_row_with_an_id_or_metadata_leaves_an_entry(put):
    run = put(
        [WITH_ID, PAIR | {"prompt": "Other?"}, {"prompt": "Third?", "chosen": "a1", "rejected": "b1", "topic": "x"}]
    )
    hashes = [shorten_hash(hash_text(text)) for text in ("Phobos.", "Luna.")]
    assert get_origins() == [[run.pk, "row-17", {"topic": "space"}, hashes]]
    assert get_origins("Other?") == []
    assert get_origins("Third?")[0][1:3] == ["", {"topic": "x"}]


def test_a_prompt_without_answers_has_one_without_hashes(put):
    run = put([{"prompt": QUESTION, "id": 5}])
    assert get_origins() == [[run.pk, "5", None, []]]
    put([PAIR])
    assert export("dpo", ("id",))[0][0]["id"] == "5"


def test_an_equal_entry_is_stored_once(put):
    first = put([WITH_ID, WITH_ID])
    again = put([WITH_ID])
    assert [origin[0] for origin in get_origins()] == [first.pk]
    assert again.duplicates == 1
    other = put([WITH_ID | {"id": "row-18"}])
    assert [(origin[0], origin[1]) for origin in get_origins()] == [(first.pk, "row-17"), (other.pk, "row-18")]


def test_entries_of_many_prompts_are_added_in_one_statement(put, django_assert_max_num_queries, monkeypatch):
    monkeypatch.setattr(imports_store, "BATCH", 200)
    put([PAIR | {"prompt": f"Prompt {n}?"} for n in range(40)])
    run = check([PAIR | {"prompt": f"Prompt {n}?", "id": f"row-{n}"} for n in range(40)])
    run.dataset = Dataset.objects.get()
    spool = Spool(get_spool_path(run))
    (batch,) = iter_batches(run, spool, 200)
    with django_assert_max_num_queries(60), batch_transaction():
        store_batch(run, spool, batch)
    spool.close()
    assert sorted(prompt.origins[0][1] for prompt in Prompt.objects.all()) == sorted(f"row-{n}" for n in range(40))


HOSTILE = ['"quoted"', "back\\slash", "tab\tand\nline\r", "{}", "NULL", "\\N", "=1+1", "月 😀", "a,b"]


def test_any_text_survives_in_ids_and_metadata(put):
    for number in range(2):  # of a new prompt, and of one that exists
        put(
            [
                PAIR | {"prompt": f"{n}?", "id": f"{text}{number}", "topic": text, "url": [text]}
                for n, text in enumerate(HOSTILE)
            ]
        )
    for n, text in enumerate(HOSTILE):
        for number, origin in enumerate(get_origins(f"{n}?")):
            assert origin[1:3] == [f"{text}{number}", {"topic": text, "url": [text]}]


@pytest.mark.parametrize("value", ["a\x00b", "\ud83d", ["\x00"], {"\ud83d": 1}])
def test_metadata_that_cannot_be_stored_is_refused_by_name(value):
    run = imports_check.check([("rows.jsonl", io.BytesIO(json.dumps(PAIR | {"topic": value}).encode()))], "demo")
    spool = Spool(get_spool_path(run))
    (refused,) = spool.iter_refusals()
    spool.close()
    assert (refused["reason"], refused["field"].partition(".")[0].partition("[")[0]) == ("bad_unicode", "topic")


def test_large_numbers_and_nested_metadata_survive(put):
    meta = {"tokens": 2**70, "info": {"a": [1.5, None, {"b": True}]}}
    put([PAIR | meta])
    assert get_origins()[0][2] == meta
    assert json.loads(export("dpo", ("meta",))[0][0]["meta"]) == meta


def test_an_undone_import_takes_its_entries_with_it(put):
    put([PAIR])
    before = list_everything()
    for later in ([WITH_ID], [WITH_ID, PAIR | {"prompt": "Other?", "id": 3}], [{"prompt": QUESTION, "id": 9}]):
        undo_import(put(later))
        assert list_everything() == before


def test_an_undone_import_leaves_the_entries_of_others(put):
    first = put([WITH_ID | {"annotator": "ann"}])
    second = put([{"instruction": QUESTION, "output": "Deimos.", "id": "row-18"}])
    undo_import(second)
    assert [origin[:2] for origin in get_origins()] == [[first.pk, "row-17"]]


def test_a_dropped_import_takes_its_entries_with_it(put):
    put([PAIR])
    before = list_everything()
    run = check([WITH_ID, PAIR | {"id": 4}, PAIR | {"prompt": "Other?", "id": 3}])
    run.dataset = Dataset.objects.get()
    assert imports_store.claim_dataset(run)
    spool = Spool(get_spool_path(run))
    for batch in iter_batches(run, spool, 200):
        store_batch(run, spool, batch)
    spool.close()
    assert len(get_origins()) == 2
    assert export("dpo", ("id",))[0][0]["id"] == ""  # the import is not visible yet
    assert export("judgments-csv")[0][0]["id"] == ""
    get_spool_path(run).unlink()
    age_imports()
    assert imports_store.resume_unfinished() == (0, 1)
    assert list_everything() == before


def test_editing_by_hand_keeps_the_entries(put):
    put([{"prompt": QUESTION, "responses": ["Phobos.", "Deimos."], "id": "row-17"}])
    prompt = Prompt.objects.get()
    first, second = prompt.responses.order_by("pk")
    answers = [EditedAnswer("Phobos!", pk=first.pk), EditedAnswer(second.text, pk=second.pk)]
    save_prompt(prompt.dataset, rows.Prompt("Name one moon of Mars."), answers, prompt)
    (origin,) = get_origins("Name one moon of Mars.")
    assert (origin[1], origin[3]) == ("row-17", [shorten_hash(hash_text(text)) for text in ("Phobos!", "Deimos.")])


def test_a_dataset_with_origins_can_be_deleted(put):
    put([WITH_ID])
    put([GOOD | {"id": 3}])
    delete_dataset(Dataset.objects.get())
    assert not Prompt.objects.exists()


# --- databases of earlier versions ----------------------------------------------------------------------------------


def test_a_file_that_is_stored_already_is_all_duplicates_with_ids_too():
    dataset = Dataset.objects.create(slug="demo")
    stored = Import.objects.create(slug="demo", dataset=dataset, format="dpo-text", state=Import.State.DONE)
    for n in range(3):
        parts = rows.Prompt(
            f"Prompt {n}?",
            "given" * (n == 1),
            "Be brief." * (n == 2),
            (("user", "Hi"), ("assistant", "Yes?")) * (n == 2),
        )
        mark = json.dumps([parts.system, parts.turns, parts.instruction, parts.input])
        prompt = Prompt.objects.create(
            dataset=dataset, fingerprint=hash_text(mark), system=parts.system, turns=list(map(list, parts.turns)),
            instruction=parts.instruction, input=parts.input, imported=stored,
        )  # fmt: skip
        assert prompt.fingerprint == fingerprint_prompt(parts)
        for text in ("yes", "no"):
            Response.objects.create(
                prompt=prompt, text=text, text_hash=hash_text(text), demonstration=True, imported=stored
            )
    plain = [
        {"instruction": f"Prompt {n}?", "input": "given" * (n == 1), "output": text}
        | ({"system": "Be brief.", "history": [["Hi", "Yes?"]]} if n == 2 else {})
        for n in range(3)
        for text in ("yes", "no")
    ]
    for found in (plain, [row | {"id": n, "topic": "t"} for n, row in enumerate(plain)]):
        run = imports_store.store(check(found))
        assert (run.rows, run.duplicates, run.prompts, run.responses) == (6, 6, 0, 0)
    assert Prompt.objects.count() == 3
    assert sum(len(prompt.origins) for prompt in Prompt.objects.all()) == 6


# --- labels ---------------------------------------------------------------------------------------------------------


def test_labels_are_stored_and_come_back(put):
    put([GOOD, BAD])
    assert dict(Response.objects.values_list("text", "label")) == {"Phobos.": True, "Luna.": False}
    for name in LABELS:
        found, left_out = export(name)
        assert [row["label"] for row in found] == [True, False]
        assert left_out == {}
    assert [row["output"] for row in export("alpaca")[0]] == ["Phobos."]


def test_a_contradictory_label_is_refused_with_its_row(put):
    run = check([GOOD, BAD, GOOD | {"label": False}])
    spool = Spool(get_spool_path(run))
    (refused,) = spool.iter_refusals()
    spool.close()
    assert (refused["reason"], refused["field"], refused["detail"]) == ("other_verdict", "label", "rows.jsonl:1")
    put([GOOD])
    assert check([GOOD | {"label": False}]).refused == 1
    assert check([GOOD]).refused == 0
    assert put([GOOD]).duplicates == 1


def test_a_contradictory_label_stored_since_the_check_is_refused(put):
    late = check([GOOD | {"label": False}, BAD])
    put([GOOD])
    put([PAIR])
    imports_store.store(late)
    assert (late.refused, late.duplicates) == (1, 0)
    assert dict(Response.objects.values_list("text", "label")) == {"Phobos.": True, "Luna.": False}


def test_a_late_good_label_on_a_bad_answer_makes_no_demonstration(put):
    late = check([BAD | {"label": True}])
    put([BAD])
    imports_store.store(late)
    assert late.refused == 1
    assert Response.objects.get().demonstration is False


def test_the_same_text_of_another_source_has_its_own_label(put):
    run = put([GOOD | {"model": "atlas"}, GOOD | {"model": "birch", "label": False}])
    assert run.refused == 0
    assert dict(Response.objects.values_list("source", "label")) == {"atlas": True, "birch": False}
    assert export("kto") == ([], {"split": 2})


def test_an_undone_import_takes_its_labels_back(put):
    put([PAIR])
    before = list_everything()
    run = put([GOOD, BAD, GOOD | {"completion": "Deimos."}])
    assert dict(Response.objects.values_list("text", "label")) == {"Phobos.": True, "Luna.": False, "Deimos.": True}
    assert (run.responses, run.duplicates) == (1, 0)
    undo_import(run)
    assert list_everything() == before


def test_labels_beside_pairs_are_written_once_and_counted(put):
    put([PAIR, PAIR | {"rejected": "Io."}])
    put([GOOD, GOOD | {"completion": "Io."}])
    for name in LABELS:
        found, left_out = export(name)
        assert [row["label"] for row in found] == [True, False, True]
        assert left_out == {"merged": 2, "other_label": 1}
        assert len(found) + sum(left_out.values()) == 2 * Choice.objects.count() + 2


def test_a_bad_answer_is_in_no_sft_file(put):
    put([PAIR])
    put([GOOD | {"label": False}])
    put([{"instruction": "Other?", "output": "So."}, {"instruction": QUESTION, "output": "Phobos."}])
    for name, module in get_writable_formats().items():
        if module.WRITES is rows.Demonstration:
            found, left_out = export(name)
            assert (len(found), left_out) == (1, {"other_label": 2})


def test_a_label_goes_with_the_text_that_it_is_about(put):
    put([BAD])
    prompt, answer = Prompt.objects.get(), Response.objects.get()
    save_prompt(
        prompt.dataset, rows.Prompt(QUESTION), [EditedAnswer("Deimos.", demonstration=True, pk=answer.pk)], prompt
    )
    assert list(Response.objects.values_list("text", "label")) == [("Deimos.", None)]
    assert len(export("alpaca")[0]) == 1


# --- margins --------------------------------------------------------------------------------------------------------


def build_votes(*margins):
    """A row per annotator; a negative margin is a vote for the other answer, None one without a margin."""
    found = []
    for number, margin in enumerate(margins):
        sides = ("Phobos.", "Luna.") if margin is None or margin >= 0 else ("Luna.", "Phobos.")
        row = {"prompt": QUESTION, "chosen": sides[0], "rejected": sides[1], "annotator": f"u{number}"}
        found.append(row if margin is None else row | {"margin": abs(margin)})
    return found


@pytest.mark.parametrize(
    ("margins", "expected"),
    [
        ((3.0,), 3.0),
        ((3.0, 1.0), 2.0),
        ((3.0, 2.0, -4.0), pytest.approx(1 / 3)),
        ((1.0, 1.0, -9.0), 0.0),
        ((3.0, None), 1.0),
    ],
)
def test_a_margin_is_the_mean_of_all_votes_where_each_has_one(put, margins, expected):
    put([row for row in build_votes(*margins) if "margin" in row], "a.jsonl")
    put([row for row in build_votes(*margins) if "margin" not in row] or [GOOD], "b.jsonl")
    (row,) = export("reward")[0]
    assert row["margin"] == expected
    assert isinstance(row["margin"], float)
    assert [row["margin"] for row in export("reward", mode=EVERY)[0]] == [abs(margin or 1.0) for margin in margins]


def test_a_margin_stands_in_the_table_of_judgments(put):
    put([PAIR | {"margin": 2.5}])
    put([PAIR | {"prompt": "Other?"}])
    assert [row["margin"] for row in export("judgments-csv")[0]] == ["2.5", ""]


# --- further columns ------------------------------------------------------------------------------------------------


def test_further_columns_stand_in_every_row(put):
    put([WITH_ID | {"chosen_model": "atlas", "rejected_model": "birch"}, PAIR | {"prompt": "Other?"}])
    first, second = export("dpo", EXTRAS)[0]
    assert [first[key] for key in ("id", "chosen_source", "rejected_source", "meta")] == [
        "row-17",
        "atlas",
        "birch",
        '{"topic": "space"}',
    ]
    assert [second[key] for key in ("id", "chosen_source", "rejected_source", "meta")] == ["", "", "", "{}"]
    assert list(first) == list(second)
    (first, second), _ = export("kto", ("source", "id"))[0][:2], None
    assert [(row["source"], row["id"]) for row in (first, second)] == [("atlas", "row-17"), ("birch", "row-17")]
    plain = export("dpo")[0]
    assert [set(row) for row in plain] == [{"prompt", "chosen", "rejected"}] * 2


def test_a_pair_has_the_entries_of_rows_with_both_answers(put):
    put([{"prompt": QUESTION, "responses": ["Phobos.", "Luna.", "Io."], "id": "wide", "topic": "a", "lang": "en"}])
    put([PAIR | {"id": "pair", "topic": "b"}])
    put([{"instruction": QUESTION, "output": "Phobos.", "id": "one", "topic": "c"}])
    (row,) = export("dpo", ("id", "meta"))[0]
    assert (row["id"], json.loads(row["meta"])) == ("wide,pair", {"topic": "b", "lang": "en"})
    (row,) = export("alpaca", ("id", "meta"))[0]
    assert (row["id"], json.loads(row["meta"])) == ("wide,pair,one", {"topic": "c", "lang": "en"})


def test_ids_that_look_like_dates_do_not_come_first(put):
    put([PAIR | {"id": "2024-01-02"}, PAIR | {"prompt": "Other?", "id": "x"}])
    run = Export(Dataset.objects.get(), "dpo", extras=("id",))
    assert [json.loads(line)["id"] for line in b"".join(run.iter_pieces()).splitlines()] == ["x", "2024-01-02"]
    assert run.build_account()["warnings"] == {"looks_like_a_date": 1}


def test_further_columns_are_requested_alike_everywhere(put, client, admin, tmp_path, run_command):
    put([WITH_ID])
    expected = b"".join(Export(Dataset.objects.get(), "dpo", extras=("id", "meta")).iter_pieces())
    output = tmp_path / "out.jsonl"
    for words in (["id,meta"], ["meta", "id"], [" meta , id "]):
        options = [word for text in words for word in ("--with", text)]
        assert run_command("export_dataset", "demo", "--format", "dpo", "--output", str(output), *options)[0] == 0
        assert output.read_bytes() == expected
    client.force_login(admin)
    path = "/datasets/demo/export/"
    for query in ("with=id&with=meta", "with=id,meta"):
        assert b"".join(client.get(f"{path}dpo/?{query}").streaming_content) == expected
    assert client.get(f"{path}?format=dpo&with=id&download=1")["Location"].endswith("export/dpo/?with=id")
    assert "row-17" in client.get(f"{path}?format=dpo&with=id").content.decode()
    assert client.get(f"{path}?format=messages&with=id&download=1")["Location"].endswith("export/messages/")
    assert client.get(f"{path}messages/?with=id").status_code == 400
    assert client.get(f"{path}dpo/?with=nothing").status_code == 400


@pytest.mark.parametrize(
    ("name", "words"), [("messages", "id"), ("judgments-csv", "id"), ("dpo-openai", "meta"), ("dpo", "ids")]
)
def test_a_dialect_without_room_for_them_is_wrong_usage(put, run_command, tmp_path, name, words):
    put([WITH_ID])
    output = tmp_path / "out.jsonl"
    status, _, error = run_command("export_dataset", "demo", "--format", name, "--output", str(output), "--with", words)
    assert (status, output.exists()) == (2, False)
    assert all(taker in error for taker in get_dialects_with_extras()) or words == "ids"


@pytest.mark.django_db(transaction=True)
def test_the_table_of_judgments_and_bundles_have_them_always(put):
    put([WITH_ID | {"chosen_model": "atlas", "margin": 2.0}])
    put([GOOD | {"completion": "Deimos.", "id": "row-18"}])
    (row,) = export("judgments-csv")[0]
    assert (row["id"], row["meta"], row["margin"]) == ("row-17", '{"topic": "space"}', "2.0")
    snapshot = make_bundle(
        Dataset.objects.get(), Settings(dialects=("dpo", "messages"), shares=(100, 0, 0), extras=EXTRAS)
    )
    archive = zipfile.ZipFile(io.BytesIO(b"".join(iter_content(snapshot))))
    pair, label = csv.DictReader(io.StringIO(archive.read("pairs.csv").decode(), newline=""))
    assert (pair["id"], pair["chosen_source"], pair["margin"], pair["meta"]) == (
        "row-17",
        "atlas",
        "2.0",
        '{"topic": "space"}',
    )
    assert (label["kind"], label["label"], label["id"]) == ("demonstration", "true", "row-18")
    assert json.loads(archive.read("dpo.jsonl"))["id"] == "row-17"
    assert "id" not in json.loads(archive.read("messages.jsonl").splitlines()[0])
    assert '{"name": "rejected_source", "dtype": "string"}' in archive.read("README.md").decode()

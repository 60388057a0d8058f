"""Column mapping: requested if the shape of a file is ambiguous, remembered, and applied to the next one."""

import csv
import gzip
import io
import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from datasets import reasons
from datasets.formats import mapping, wide
from datasets.formats.guessing import find_ambiguity, guess
from datasets.formats.rows import Prompt, Refusal, TableRow
from datasets.imports import columns, tasks
from datasets.imports import store as imports_store
from datasets.imports.column_forms import COUNTS, GROUPS, ROLE_LABELS
from datasets.jobs import worker
from datasets.models import Choice, Import, Job, Mapping, Response
from datasets.models import Prompt as Kept
from tests.test_files import build_workbook, encode_parquet, format_texts

HEADER = ("Aufgabe", "Text links", "Text rechts", "Urteil")
ROWS = [
    (f"Warum {n}? 为什么", f"Darum {n}. 因为", f"Keine Ahnung {n}. 不知道", ("-2", "1", "0")[n % 3]) for n in range(5)
]
OBJECTS = [dict(zip(HEADER, row, strict=True)) for row in ROWS]
SAID = {"column_0": "prompt", "column_1": "answer_1", "column_2": "answer_2", "column_3": "winner"}
SAID |= {"counts": "minus_first"}
ROLES = {"prompt": "Aufgabe", "answer_1": "Text links", "answer_2": "Text rechts", "winner": "Urteil"}
ROLES |= {"counts": "minus_first"}


def encode_table(delimiter=",", encoding="utf-8", rows=(HEADER, *ROWS)):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode(encoding)


def encode_lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


FILES = {
    "jsonl": encode_lines(OBJECTS),
    "json": json.dumps(OBJECTS, indent=1).encode(),
    "csv": encode_table(),
    "tsv": encode_table("\t"),
    "gz": gzip.compress(encode_table()),
    "utf-16": encode_table("\t", "utf-16"),
    "gb18030": encode_table(encoding="gb18030"),
    "parquet": encode_parquet(OBJECTS),
    "xlsx": build_workbook(format_texts(HEADER, *ROWS)),
}


@pytest.fixture
def send(client, admin):
    """send(data, …): the redirect target of an upload of these files."""
    client.force_login(admin)

    def send(*files, slug="demo"):
        files = [SimpleUploadedFile(f"file-{n}", data) for n, data in enumerate(files)]
        answer = client.post("/datasets/upload/", {"slug": slug, "files": files, "overlap": 2}, follow=True)
        return answer.redirect_chain[-1][0] if answer.redirect_chain else answer

    return send


def list_uploads(settings):
    return sorted((settings.DATA_DIR / "uploads").iterdir())


# --- mappings, and the rows they give ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roles", "fault"),
    [
        ({"prompt": "a", "answer_1": "b", "answer_2": "c"}, None),
        ({"prompt": "a"}, None),
        ({"conversation": "a"}, None),
        ({"chosen": "a", "rejected": "b"}, None),
        ({"prompt": "a", "answer_1": "a", "answer_2": "c"}, "column_twice"),
        ({"prompt": "a", "chosen": "b"}, "half_a_pair"),
        ({"answer_1": "b", "answer_2": "c"}, "no_prompt"),
        ({"prompt": "a", "answer_2": "c"}, "one_answer"),
        ({"prompt": "a", "answer": "b", "demonstration": "c"}, "two_kinds"),
        ({"prompt": "a", "answer_1": "b", "answer_2": "c", "winner": "d", "counts": "x"}, "unknown_count"),
        ({"prompt": "a", "answer_27": "b"}, "unknown_role"),
        ({"prompt": "a", "answer": "b", "winner": "c"}, "winner_of_nothing"),
    ],
)
def test_what_cannot_be_said_of_columns(roles, fault):
    assert mapping.find_fault(roles) == fault
    assert fault is None or reasons.MAPPING[fault]


def test_everything_that_may_be_said_has_its_words():
    roles = {*mapping.ROLES, *mapping.EVERYWHERE, *mapping.COLUMN_CHOICES}
    assert set(ROLE_LABELS) == roles == {role for _, group in GROUPS for role in group}
    assert tuple(COUNTS) == mapping.COUNTS


TWO = {"prompt": "p", "answer_1": "x", "answer_2": "y", "winner": "w", "source_1": "m", "source_2": "n"}


@pytest.mark.parametrize(
    ("said", "counts", "pair", "strength"),
    [
        ("1", "names", (0, 1), 1),
        (2, "names", (1, 0), 1),
        ("B", "names", (1, 0), 1),
        ("y", "names", (1, 0), 1),
        ("birch", "names", (1, 0), 1),
        ("left", "names", (0, 1), 1),
        ("右", "names", (1, 0), 1),
        (0, "from_0", (0, 1), 1),
        ("1", "from_0", (1, 0), 1),
        (-3, "minus_first", (0, 1), 3),
        ("1.5", "minus_first", (1, 0), 2),
        (7, "plus_first", (0, 1), 3),
        (-1, "plus_first", (1, 0), 1),
    ],
)
def test_the_better_answer_is_named_as_was_said(said, counts, pair, strength):
    row = {"p": "Why?", "x": "Because.", "y": "No.", "m": "atlas", "n": "birch", "w": said}
    (vote,) = mapping.read({**TWO, "counts": counts}, row).votes
    assert (vote.pair, vote.verdict, vote.strength) == (pair, "left", strength)


@pytest.mark.parametrize("counts", ["minus_first", "plus_first"])
def test_no_sign_is_a_tie(counts):
    (vote,) = mapping.read({**TWO, "counts": counts}, {"p": "Why?", "x": "a", "y": "b", "w": 0}).votes
    assert vote.verdict == "tie"


SPOKEN = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]


@pytest.mark.parametrize(
    ("roles", "row", "kind", "responses"),
    [
        ({"prompt": "a", "input": "b"}, {"a": "Add.", "b": "2"}, "prompt", []),
        ({"prompt": "a", "answer": "b", "source": "c"}, {"a": "q", "b": "x", "c": "m"}, "candidates", [("x", "m")]),
        (
            {"prompt": "a", "demonstration": "b", "source": "c"},
            {"a": "q", "b": "x", "c": "m"},
            "demonstration",
            [("x", "m")],
        ),
        ({"conversation": "a"}, {"a": SPOKEN}, "demonstration", [("Hello!", "")]),
        (
            {"chosen": "a", "rejected": "b"},
            {"a": SPOKEN, "b": [SPOKEN[0], {**SPOKEN[1], "content": "No"}]},
            "judged",
            [("Hello!", ""), ("No", "")],
        ),
        (
            {"prompt": "a", "chosen": "b", "rejected": "c"},
            {"a": "q", "b": "x", "c": "y"},
            "judged",
            [("x", ""), ("y", "")],
        ),
        (
            {"prompt": "a", "answers": "b", "sources": "c"},
            TableRow(a="q", b='["x", "y"]', c='["m", "n"]'),
            "candidates",
            [("x", "m"), ("y", "n")],
        ),
        (
            {"prompt": "a", "answer_1": "b", "answer_2": "c", "answer_3": "d"},
            TableRow(a="q", b="x", c="y", d=""),
            "candidates",
            [("x", ""), ("y", "")],
        ),
    ],
)
def test_what_a_row_is_by_what_was_said(roles, row, kind, responses):
    found = mapping.read(roles, row)
    assert (found.kind, [(r.text, r.source) for r in found.responses]) == (kind, responses)


@pytest.mark.parametrize(
    ("row", "reason", "field"),
    [
        ({"x": "a", "y": "b"}, "missing_field", "p"),
        ({"p": " ", "x": "a", "y": "b"}, "empty_prompt", "p"),
        ({"p": "q", "x": "a"}, "missing_field", "y"),
        ({"p": "q", "x": "a", "y": 7}, "not_text", "y"),
        ({"p": "q", "x": "a", "y": "b", "w": "z"}, "unknown_winner", "w"),
        ({"p": "q", "x": "a", "y": "a", "w": "1"}, "same_answer", "w"),
    ],
)
def test_a_refused_row_names_the_column_of_the_file(row, reason, field):
    with pytest.raises(Refusal) as refused:
        mapping.read(TWO, row)
    assert (refused.value.reason, refused.value.field) == (reason, field)


# --- ambiguous shapes, and guesses ------------------------------------------------------------------------------------


def build_row(winner, key="winner", names="ab"):
    return {"prompt": "q", f"response_{names[0]}": "x", f"response_{names[1]}": "y", key: winner}


@pytest.mark.parametrize(
    ("name", "rows", "why"),
    [
        ("wide", [build_row("a"), build_row("b"), build_row("tie")], ""),
        ("wide", [build_row("", "chosen")], ""),
        ("wide", [build_row(1), build_row(2)], ""),
        ("wide", [build_row(1, names="12")], ""),
        ("wide", [build_row(0, names="01"), build_row(1, names="01")], ""),
        ("wide", [build_row(0, "chosen"), build_row(1, "chosen")], "counting"),
        ("wide", [build_row(1)], "counting"),
        ("wide", [build_row(-2), build_row(1)], "sign"),
        ("wide", [build_row("the second one")], "verdict"),
        ("dpo-text", [{"prompt": "q", "chosen": "A", "rejected": "B", "A": "x", "B": "y"}], "pointer"),
        ("dpo-text", [{"prompt": "q", "chosen": "A", "rejected": "Bali"}], ""),
        ("sft", [{"question": "q", "answer": "x"}], ""),
        ("sft", [{"question": "q", "answer": "x"}, {"question": "q", "answer": "y"}], "one_answer"),
        ("sft", [{"prompt": "q", "output": "x"}], "one_answer"),
        ("alpaca", [{"instruction": "q", "output": "x"}], ""),
    ],
)
def test_when_a_shape_is_not_sure(name, rows, why):
    assert find_ambiguity(name, rows) == why
    assert why == "" or reasons.UNSURE[why]


@pytest.mark.parametrize(
    ("columns", "why", "roles"),
    [
        ("Frage|Antwort A|Antwort B", "", {"prompt": "Frage", "answer_1": "Antwort A", "answer_2": "Antwort B"}),
        (
            "问题|回答1|回答2|模型1|标注员",
            "",
            {"prompt": "问题", "answer_1": "回答1", "answer_2": "回答2", "source_1": "模型1", "annotator": "标注员"},
        ),
        (
            "prompt|response_a|response_b|chosen",
            "counting",
            {
                "prompt": "prompt",
                "answer_1": "response_a",
                "answer_2": "response_b",
                "winner": "chosen",
                "counts": "from_0",
            },
        ),
        ("question|output", "one_answer", {"prompt": "question", "answer": "output"}),
        ("task|text", "unknown_shape", {"prompt": "task", "demonstration": "text"}),
        ("x|y", "unknown_shape", {}),
    ],
)
def test_what_columns_most_likely_are(columns, why, roles):
    assert guess(columns.split("|"), why) == roles


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_unknown_shape_is_read_as_the_admin_says(kind, send, client, settings):
    address = send(FILES[kind])
    page = client.get(address).content.decode()
    assert "The fields match no known format." in page
    for words in (*HEADER, *ROWS[0], *ROWS[2]):
        assert words in page
    run = Import.objects.get()
    assert (run.state, len(list_uploads(settings))) == ("unsure", 1)
    looked = client.post(address, {**SAID, "decision": "look"}).content.decode()
    assert "Answer 1 is clearly better than answer 2." in looked
    assert "Answers 1 and 2 are tied." in looked
    assert not Mapping.objects.exists()
    answer = client.post(address, {**SAID, "decision": "read"}, follow=True)
    assert answer.redirect_chain[-1][0] == address
    assert "Columns mapped by hand" in answer.content.decode()
    run.refresh_from_db()
    assert (run.state, run.format, run.rows, run.refused, run.read_as) == ("checked", "mapped", 5, 0, [ROLES])
    client.post(address, {"decision": "store"})
    run.refresh_from_db()
    assert (run.state, run.prompts, run.responses, run.choices) == ("done", 5, 10, 5)
    assert list_uploads(settings) == []
    assert Response.objects.filter(text=ROWS[0][1]).exists()
    assert sorted(Choice.objects.values_list("strength", flat=True)) == [0, 1, 1, 2, 2]


@pytest.mark.django_db
def test_the_next_file_with_these_columns_is_read_so_by_itself_also_by_command(send, client, run_command, tmp_path):
    client.post(send(FILES["csv"]), {**SAID, "decision": "read"})
    page = client.get(send(FILES["jsonl"], slug="other")).content.decode()
    assert "Columns mapped by hand" in page
    path = tmp_path / "again.csv"
    path.write_bytes(encode_table(rows=(HEADER[::-1], *(row[::-1] for row in ROWS))))
    status, summary, _ = run_command("import_dataset", "third", str(path))
    assert (status, summary["format"], summary["choices"]) == (0, "mapped", 5)


@pytest.mark.django_db
def test_what_was_said_can_be_said_anew(send, client, settings):
    address = send(FILES["csv"])
    client.post(address, {**SAID, "decision": "read"})
    client.post(address, {"decision": "columns"})
    run = Import.objects.get()
    assert (run.state, run.rows) == ("unsure", 0)
    page = client.get(address).content.decode()
    assert "These columns were mapped before" in page
    assert '<option value="winner" selected>' in page
    client.post(address, {**SAID, "counts": "plus_first", "decision": "read"})
    client.post(address, {"decision": "store"})
    better = Choice.objects.get(chosen__prompt__instruction=ROWS[0][0])
    assert better.chosen.text == ROWS[0][2]
    assert Mapping.objects.get().roles["counts"] == "plus_first"


@pytest.mark.django_db
def test_of_very_many_columns_the_first_are_asked_about(send, client, monkeypatch):
    assert columns.MOST_COLUMNS == 200
    monkeypatch.setattr(columns, "MOST_COLUMNS", 20)  # a page of 200 takes seconds to render
    rows = [{**row, **{f"more {n}": f"x{n}" for n in range(1500)}} for row in OBJECTS]
    address = send(encode_lines(rows))
    page = client.get(address)
    assert len(page.context["columns"]) == 20
    client.post(address, {**SAID, "decision": "read"})
    assert Import.objects.get().read_as == [ROLES]


@pytest.mark.django_db
def test_two_files_of_unknown_shape_are_asked_for_one_after_the_other(send, client):
    other = encode_lines([{"Aufgabe": "Was?", "Erstes": "a", "Zweites": "b"}])
    address = send(FILES["csv"], other)
    answer = client.post(address, {**SAID, "decision": "read"}, follow=True)
    assert "Zweites" in answer.content.decode()
    two = {"column_0": "prompt", "column_1": "answer_1", "column_2": "answer_2", "counts": "names"}
    client.post(address, {**two, "decision": "read"})
    run = Import.objects.get()
    assert (run.state, run.rows, len(run.read_as)) == ("checked", 6, 2)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({**SAID, "column_0": ""}, "no_prompt"),
        ({**SAID, "column_2": "answer_1"}, "role_twice"),
        ({**SAID, "column_3": "invented"}, None),
        ({}, "no_prompt"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_remembered(send, client, said, words):
    address = send(FILES["csv"])
    answer = client.post(address, {"counts": "names", **said, "decision": "read"})
    assert answer.status_code == 422
    assert words is None or str(reasons.MAPPING[words]) in answer.content.decode()
    assert not Mapping.objects.exists()
    assert Import.objects.get().state == "unsure"


@pytest.mark.django_db
def test_a_row_that_cannot_be_read_so_is_shown_and_then_refused_with_the_others(send, client):
    rows = [*OBJECTS, {**OBJECTS[0], "Text links": ""}, {"Aufgabe": "Nur eine?"}]
    address = send(encode_lines(rows[::-1]))
    page = client.post(address, {"counts": "minus_first", "decision": "look", **read_columns(address, client)})
    assert "Row 1 cannot be read with this mapping:" in page.content.decode()
    client.post(address, {"counts": "minus_first", "decision": "read", **read_columns(address, client)})
    run = Import.objects.get()
    assert (run.rows, run.refused) == (7, 2)


def read_columns(address, client):
    """The mapping of the columns, in any order."""
    roles = {column: role for role, column in ROLES.items()}
    fields = client.get(address).context["columns"]
    return {field.html_name: roles[str(field.label)] for field, _ in fields}


@pytest.mark.django_db
def test_who_drops_it_leaves_nothing_behind_and_nobody_for_a_week_neither(send, client, settings):
    address = send(FILES["csv"])
    client.post(address, {"decision": "drop"})
    assert (Import.objects.count(), list_uploads(settings)) == (0, [])
    client.post(send(FILES["csv"]), {**SAID, "decision": "read"})
    send(encode_lines([{"a": "b", "c": "d"}]))
    Import.objects.update(touched_at=timezone.now() - timedelta(days=6))
    assert imports_store.resume_unfinished() == (0, 0)
    Import.objects.update(touched_at=timezone.now() - timedelta(days=8))
    assert imports_store.resume_unfinished() == (0, 2)
    assert (Import.objects.count(), list_uploads(settings)) == (0, [])


@pytest.mark.django_db
def test_where_the_files_are_gone_it_is_said(send, client, settings):
    address = send(FILES["csv"])
    for path in list_uploads(settings):
        tasks.delete_folder(path)
    assert "upload them again" in client.get(address).content.decode()
    assert client.post(address, {**SAID, "decision": "read"}).status_code == 200
    client.post(address, {"decision": "drop"})
    assert not Import.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_large_files_are_checked_in_the_background_and_once(send, client, monkeypatch, settings):
    monkeypatch.setattr(tasks, "BYTES_AT_ONCE", 0)
    monkeypatch.setattr(worker, "IDLE", 0)
    address = send(FILES["csv"])
    assert "/tasks/" in address
    worker.work_until_idle()
    run = Import.objects.get()
    assert (run.state, run.dataset_settings["overlap"], run.created_by.username) == ("unsure", 2, "admin")
    place = f"/datasets/upload/{run.pk}/"
    for _ in range(2):  # a double click
        assert "/tasks/" in client.post(place, {**SAID, "decision": "read"})["Location"]
    worker.work_until_idle()
    run = Import.objects.get()
    assert (run.state, run.rows, run.format) == ("checked", 5, "mapped")
    assert {job.result["import"] for job in Job.objects.all()} == {run.pk}
    client.post(place, {"decision": "store"})
    assert list_uploads(settings) == []


# --- by command -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_command_says_which_column_is_what(run_command, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(FILES["csv"])
    status, _, err = run_command("import_dataset", "demo", str(path))
    assert (status, "--map" in err) == (2, True)
    words = [f"--map={role}={column}" for role, column in ROLES.items()]
    status, summary, _ = run_command("import_dataset", "demo", str(path), *words)
    assert (status, summary["format"], summary["rows"], summary["choices"]) == (0, "mapped", 5, 5)
    assert not Mapping.objects.exists(), "a command is for once"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prompt"], "Unknown column role"),
        (["prompt=Aufgabe", "prompt=Urteil"], "Two columns"),
        (["answer_1=Text links", "answer_2=Text rechts"], "No column is mapped to the prompt"),
        (["prompt=Nirgends"], "Nirgends"),
    ],
)
def test_a_wrong_word_of_a_command_is_wrong_usage(run_command, tmp_path, words, said):
    path = tmp_path / "rows.csv"
    path.write_bytes(FILES["csv"])
    status, _, err = run_command("import_dataset", "demo", str(path), *[f"--map={word}" for word in words])
    assert (status, said in err) == (2, True)
    assert not Kept.objects.exists()


def test_what_was_said_of_a_pair_keeps_its_prompt():
    row = {"p": "Why?", "x": "a", "y": "b"}
    assert mapping.read({"prompt": "p", "answer_1": "x", "answer_2": "y"}, row).prompt == Prompt("Why?")
    assert wide.has_value(TableRow(x=""), "x") is False

"""Judgments as tables: CSV and Parquet preserve what people said byte for byte."""

import csv
import io
import json
import re

import pytest
from django.utils import timezone
from pyarrow import parquet

from annotate.judging.record import record, undo
from annotate.queue.lease import lease_next
from api.tokens import create_token
from datasets.comparisons.review import refresh_all
from datasets.exports.export import Export
from datasets.exports.selection import Filters
from datasets.files import writers
from datasets.formats import get_writable_formats
from datasets.models import Judgment
from tests.conftest import build_rows, create_person
from tests.test_export import TABLES, build_judged_row, parse_rows

pytestmark = pytest.mark.django_db

ODD = [
    'comma, "quotes", ""',
    "line\nline\r\nline\rend\n",
    "\r",
    "  blanks \t",
    "😀 日本語 \u2028\u0085",
    "=1+1",
    "null",
]


def export_table(name, dataset, **filters):
    """(rows of a table with parsed lists, account)."""
    export = Export(dataset, name, Filters(**filters))
    rows = parse_rows(name, b"".join(export.iter_pieces()))
    account = export.build_account()
    assert account["rows"] == len(rows)
    return [parse_lists(row) for row in rows], account


def parse_lists(row):
    lists = ("reasons", "tags", "turns", "responses", "sources", "choices", "ratings", "said")
    return row | {column: json.loads(row[column]) for column in lists}


def sort_choices(row):
    """The choices of a row, sorted; a tie has no order."""
    choices = ([name, *(sorted(pair) if not strength else pair), strength, gap]
               for name, *pair, strength, gap in row["choices"])  # fmt: skip
    return sorted(choices)


def test_csv_and_parquet_hold_the_same(make_dataset, alice):
    make_dataset([build_judged_row("ann", "a", text + "1", "2" + text, text + "?") for text in ODD])
    dataset = make_dataset([{"prompt": text + ".", "responses": [text + "1", text + "2"]} for text in ODD])
    for verdict, text in zip(["left", "right", "tie", "both_bad", "skip"], ODD, strict=False):
        assert record(lease_next(alice, dataset), 0, verdict, {"reason": text, "note": text})
    in_csv, in_parquet = (export_table(name, dataset)[0] for name in TABLES)
    assert [row["reason"] for row in in_parquet] == [""] * len(ODD) + ODD[:5]
    as_texts = [
        {column: "" if value is None else value if isinstance(value, list | dict) else str(value)
         for column, value in row.items()} for row in in_parquet
    ]  # fmt: skip
    assert in_csv == as_texts


@pytest.mark.parametrize("name", TABLES)
def test_texts_are_kept_to_the_byte(make_dataset, name):
    history = [[text + "?", text + "!"] for text in ODD]
    dataset = make_dataset(
        [
            {"annotator": text.strip() or "x", "system": text + ".", "instruction": text + "?", "input": text + ":"}
            | {"history": history, "chosen": text + "1", "rejected": "2" + text, "tags": ["a, b", text + "t"]}
            for text in ODD
        ]
    )
    rows, _ = export_table(name, dataset)
    turns = [[role, words] for pair in history for role, words in zip(("user", "assistant"), pair, strict=True)]
    for row, text in zip(rows, ODD, strict=True):
        assert [row[part] for part in ("system", "instruction", "input")] == [text + ".", text + "?", text + ":"]
        assert row["turns"] == turns
        assert row["responses"] == [text + "1", "2" + text]
        assert row["tags"] == ["a, b", (text + "t").strip()]
        assert row["annotator"] == (text.strip() or "x")
        assert (row["verdict"], row["choices"], row["ratings"]) == ("left", [["", 1, 2, 1, None]], [])


@pytest.mark.parametrize("name", TABLES)
def test_every_kind_of_act_has_a_row(make_dataset, alice, bob, name):
    dataset = make_dataset(build_rows(4), allow_flag=True, allow_repair=True, with_stars=True, overlap=2)
    record(lease_next(alice, dataset), 0, "left", {"stars": [4, 2], "reasons": ["true"]}, 2.5)
    record(lease_next(alice, dataset), 0, "right", {"repairs": {"left": 'Better,\n"now".'}})
    record(lease_next(alice, dataset), 0, "skip", {"reason": "no idea"})
    record(lease_next(alice, dataset), 0, "flag", {"note": "It says “as GPT”."}, flag="leak")
    undone = lease_next(bob, dataset)
    record(undone, 0, "tie")
    assert undo(undone, 1)
    rated, repaired, skipped, flagged, reopened = export_table(name, dataset)[0]
    acts = list(Judgment.objects.order_by("pk"))
    rows = [rated, repaired, skipped, flagged, reopened]
    assert [int(row["judgment"]) for row in rows] == [act.pk for act in acts]
    assert [row["comparison"] for row in rows] == [act.comparison.key for act in acts]
    assert [row["decided_at"] for row in rows] == [act.decided_at.isoformat(timespec="milliseconds") for act in acts]
    assert [row["verdict"] for row in rows] == ["left", "right", "skip", "flag", "tie"]
    assert [row["annotator"] for row in rows] == ["alice"] * 4 + ["bob"]
    assert [row["flag"] for row in rows] == ["", "", "", "leak", ""]
    assert [str(row["surplus"]) for row in rows] == ["False"] * 5
    assert (float(rated["seconds"]), rated["ratings"]) == (acts[0].seconds, [["", 1, 4], ["", 2, 2]])
    assert (rated["choices"], rated["reasons"]) == ([["", 1, 2, 1, None]], ["true"])
    assert repaired["responses"][2:] == ['Better,\n"now".']
    assert repaired["sources"][2:] == ["repair"]
    assert sort_choices(repaired) == [["", 2, 1, 1, None], ["", 3, 1, 1, None]]
    assert (skipped["reason"], flagged["note"]) == ("no idea", "It says “as GPT”.")
    assert (sort_choices(flagged), sort_choices(reopened)) == ([], [["", 1, 2, 0, None]])


@pytest.mark.parametrize("name", TABLES)
def test_places_go_by_what_was_shown(make_dataset, alice, bob, name):
    dataset = make_dataset(build_rows(1, answers=3), question="rank", most_shown=3, overlap=2)
    for who, ranks in ((alice, [1, 2, 3]), (bob, [3, 1, 1])):
        record(lease_next(who, dataset), 0, "rank", {"rank": ranks})
    rows, _ = export_table(name, dataset)
    assert [sort_choices(row) for row in rows] == [
        [["", 1, 2, 1, 1], ["", 1, 3, 1, 2], ["", 2, 3, 1, 1]],
        [["", 2, 1, 1, 1], ["", 2, 3, 0, 0], ["", 3, 1, 1, 1]],
    ]
    for row, act in zip(rows, Judgment.objects.order_by("pk"), strict=True):
        sources = dict(act.comparison.prompt.responses.values_list("pk", "source"))
        assert row["sources"] == [sources[pk] for pk in act.order]


@pytest.mark.parametrize("name", TABLES)
def test_filters_on_people_tags_and_flags_count(make_dataset, alice, name):
    make_dataset([build_judged_row("ann", "a", prompt="Tagged") | {"tags": "x, y"}, build_judged_row("bob", "tie")])
    dataset = make_dataset(build_rows(1), allow_flag=True)
    record(lease_next(alice, dataset), 0, "flag", {"note": ""}, flag="leak")
    for filters, verdicts, left_out in [
        ({"mode": "every", "min_strength": 3, "min_votes": 9, "criterion": "x"}, ["left", "tie", "flag"], {}),
        ({"tags": ("y", "z")}, ["left"], {"tag": 2}),
        ({"annotators": ("ann", "alice")}, ["left", "flag"], {"annotator": 1}),
        ({"flags": "without"}, ["left", "tie"], {"flagged": 1}),
    ]:
        rows, account = export_table(name, dataset, **filters)
        assert ([row["verdict"] for row in rows], account["left_out"]) == (verdicts, left_out)


@pytest.mark.parametrize("name", TABLES)
def test_nothing_said_gives_a_file_that_can_be_read(make_dataset, name):
    assert export_table(name, make_dataset(build_rows(1)))[0] == []


def test_an_empty_table_has_its_columns(make_dataset):
    dataset = make_dataset(build_rows(1))
    header = b"".join(Export(dataset, "judgments-csv").iter_pieces()).decode()
    assert header.replace('"', "").strip().split(",") == list(get_writable_formats()["judgments-csv"].COLUMNS)
    judged = lease_next(create_person("dora"), dataset)
    record(judged, 0, "left")
    assert b"".join(Export(dataset, "judgments-csv").iter_pieces()).decode().startswith(header)


FORMULAS = ["=cmd|'/c calc'!A1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"]


@pytest.fixture
def hostile(make_dataset, alice):
    """A dataset whose texts, by people and models, begin like formulas; one text is harmless."""
    texts = [*FORMULAS, "plain = text"]
    responses = [[{"text": f"{text} {side}", "model": text} for side in "ab"] for text in texts]
    rows = zip(texts, responses, strict=True)
    dataset = make_dataset([{"system": text, "prompt": text, "responses": both} for text, both in rows])
    for text in texts:
        record(lease_next(alice, dataset), 0, "left", {"reason": text})
    return dataset


def parse_cells(data):
    return [cell for row in csv.reader(io.StringIO(data.decode(), newline="")) for cell in row]


def test_a_table_keeps_every_text_to_the_byte_unless_it_is_for_spreadsheets(hostile):
    plain, defused = (
        parse_cells(b"".join(Export(hostile, "judgments-csv", for_spreadsheets=switch).iter_pieces()))
        for switch in (False, True)
    )
    risky = [cell for cell in plain if cell.startswith(writers.FORMULA)]
    assert {*FORMULAS} == {*risky}
    assert len(risky) == 3 * len(FORMULAS), "system, instruction and reason"
    assert defused == [f"'{cell}" if cell in risky else cell for cell in plain]


def test_a_file_for_spreadsheets_is_asked_for_alike_everywhere(hostile, client, admin, tmp_path, run_command):
    expected = b"".join(Export(hostile, "judgments-csv", for_spreadsheets=True).iter_pieces())
    client.force_login(admin)
    path = "/datasets/demo/export/judgments-csv/"
    assert b"".join(client.get(f"{path}?for-spreadsheets=1").streaming_content) == expected
    assert b"".join(client.get(path).streaming_content) != expected
    assert client.get(f"{path}?for-spreadsheets=0").status_code == 400
    token = {"Authorization": f"Bearer {create_token(admin, 'x', reads=True, writes=False)[1]}"}
    api = client.get("/api/v1/datasets/demo/export/judgments-csv/?for-spreadsheets=1", headers=token)
    assert b"".join(api.streaming_content) == expected
    output = ("--output", str(tmp_path / "out.csv"), "--for-spreadsheets")
    assert run_command("export_dataset", "demo", "--format", "judgments-csv", *output)[0] == 0
    assert (tmp_path / "out.csv").read_bytes() == expected
    assert run_command("export_dataset", "demo", "--format", "dpo", *output)[0] == 2
    assert run_command("export_dataset", "demo", "--format", "bundle", *output)[0] == 2


def test_the_page_hands_the_switch_on_and_says_why(hostile, client, admin):
    client.force_login(admin)
    path = "/datasets/demo/export/?format=judgments-csv&for-spreadsheets=1"
    assert client.get(f"{path}&download=1")["Location"].endswith("/export/judgments-csv/?for-spreadsheets=1")
    page = client.get(path).content.decode()
    assert re.search(r'name="for-spreadsheets" value="1" checked', page)
    assert "as formulas" in page
    page = client.get("/datasets/demo/export/?format=judgments-csv").content.decode()
    assert not re.search(r'name="for-spreadsheets" value="1" checked', page)


def test_parquet_keeps_numbers_that_come_after_thousands_without(monkeypatch):
    monkeypatch.setattr(writers, "ROWS_A_GROUP", 2)
    rows = [{"seconds": None, "text": "a"}] * 3 + [{"seconds": 2.5, "text": "b"}]
    data = b"".join(writers.encode_parquet(iter(rows), ()))
    assert parquet.read_table(io.BytesIO(data)).to_pylist() == rows
    assert parquet.ParquetFile(io.BytesIO(data)).num_row_groups == 2


@pytest.mark.parametrize("name", TABLES)
def test_decisions_stand_among_the_votes_where_they_are_asked_for(make_dataset, alice, bob, name):
    dataset = make_dataset(build_rows(2), overlap=1, review="split")
    decided = lease_next(alice, dataset)
    record(decided, 0, "left")
    record(lease_next(alice, dataset), 0, "tie")
    made = {"comparison": decided.comparison, "dataset": dataset, "order": decided.order, "decided_at": timezone.now()}
    Judgment.objects.create(**made, annotator=bob, purpose="decision", state="saved", verdict="right")
    refresh_all(dataset)
    for decisions, purposes, left_out in [
        ("votes", ["vote", "vote"], {}),
        ("first", ["vote", "vote", "decision"], {}),
        ("only", ["decision"], {"decided": 1, "undecided": 1}),
    ]:
        rows, account = export_table(name, dataset, decisions=decisions)
        assert ([row["purpose"] for row in rows], account["left_out"]) == (purposes, left_out)

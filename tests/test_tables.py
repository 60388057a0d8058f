"""Every judgment as a table: what CSV and Parquet hold is what people said, to the byte."""

import io
import json

import pytest
from django.utils import timezone
from pyarrow import parquet

from annotate.judging import record, undo
from annotate.queue import next_judgment
from datasets import encoding
from datasets.choosing import Filters
from datasets.exports import Export
from datasets.formats import writable
from datasets.models import Judgment
from datasets.reviewing import recount_all
from tests.conftest import person, wide
from tests.test_export import TABLES, lines_of, said

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


def table(name, dataset, **filters):
    """(the rows of a table with their lists read, the account)."""
    export = Export(dataset, name, Filters(**filters))
    rows = lines_of(name, b"".join(export.pieces()))
    account = export.account()
    assert account["rows"] == len(rows)
    return [read(row) for row in rows], account


def read(row):
    lists = ("reasons", "tags", "turns", "responses", "sources", "choices", "ratings", "said")
    return row | {column: json.loads(row[column]) for column in lists}


def stated(row):
    """The choices of a row; a tie has no order."""
    choices = ([name, *(sorted(pair) if not strength else pair), strength, gap]
               for name, *pair, strength, gap in row["choices"])  # fmt: skip
    return sorted(choices)


def test_csv_and_parquet_hold_the_same(make_dataset, alice):
    make_dataset([said("ann", "a", text + "1", "2" + text, text + "?") for text in ODD])
    dataset = make_dataset([{"prompt": text + ".", "responses": [text + "1", text + "2"]} for text in ODD])
    for verdict, text in zip(["left", "right", "tie", "both_bad", "skip"], ODD, strict=False):
        assert record(next_judgment(alice, dataset), 0, verdict, {"reason": text, "note": text})
    in_csv, in_parquet = (table(name, dataset)[0] for name in TABLES)
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
    rows, _ = table(name, dataset)
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
    dataset = make_dataset(wide(4), allow_flag=True, allow_repair=True, with_stars=True, overlap=2)
    record(next_judgment(alice, dataset), 0, "left", {"stars": [4, 2], "reasons": ["true"]}, 2.5)
    record(next_judgment(alice, dataset), 0, "right", {"repairs": {"left": 'Better,\n"now".'}})
    record(next_judgment(alice, dataset), 0, "skip", {"reason": "no idea"})
    record(next_judgment(alice, dataset), 0, "flag", {"note": "It says “as GPT”."}, flag="leak")
    undone = next_judgment(bob, dataset)
    record(undone, 0, "tie")
    assert undo(undone, 1)
    rated, repaired, skipped, flagged, reopened = table(name, dataset)[0]
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
    assert stated(repaired) == [["", 2, 1, 1, None], ["", 3, 1, 1, None]]
    assert (skipped["reason"], flagged["note"]) == ("no idea", "It says “as GPT”.")
    assert (stated(flagged), stated(reopened)) == ([], [["", 1, 2, 0, None]])


@pytest.mark.parametrize("name", TABLES)
def test_places_go_by_what_was_shown(make_dataset, alice, bob, name):
    dataset = make_dataset(wide(1, answers=3), question="rank", most_shown=3, overlap=2)
    for who, ranks in ((alice, [1, 2, 3]), (bob, [3, 1, 1])):
        record(next_judgment(who, dataset), 0, "rank", {"rank": ranks})
    rows, _ = table(name, dataset)
    assert [stated(row) for row in rows] == [
        [["", 1, 2, 1, 1], ["", 1, 3, 1, 2], ["", 2, 3, 1, 1]],
        [["", 2, 1, 1, 1], ["", 2, 3, 0, 0], ["", 3, 1, 1, 1]],
    ]
    for row, act in zip(rows, Judgment.objects.order_by("pk"), strict=True):
        sources = dict(act.comparison.prompt.responses.values_list("pk", "source"))
        assert row["sources"] == [sources[pk] for pk in act.order]


@pytest.mark.parametrize("name", TABLES)
def test_filters_on_people_tags_and_flags_count(make_dataset, alice, name):
    make_dataset([said("ann", "a", prompt="Tagged") | {"tags": "x, y"}, said("bob", "tie")])
    dataset = make_dataset(wide(1), allow_flag=True)
    record(next_judgment(alice, dataset), 0, "flag", {"note": ""}, flag="leak")
    for filters, verdicts, left_out in [
        ({"mode": "every", "min_strength": 3, "min_votes": 9, "criterion": "x"}, ["left", "tie", "flag"], {}),
        ({"tags": ("y", "z")}, ["left"], {"tag": 2}),
        ({"annotators": ("ann", "alice")}, ["left", "flag"], {"annotator": 1}),
        ({"flags": "without"}, ["left", "tie"], {"flagged": 1}),
    ]:
        rows, account = table(name, dataset, **filters)
        assert ([row["verdict"] for row in rows], account["left_out"]) == (verdicts, left_out)


@pytest.mark.parametrize("name", TABLES)
def test_nothing_said_gives_a_file_that_can_be_read(make_dataset, name):
    assert table(name, make_dataset(wide(1)))[0] == []


def test_an_empty_table_has_its_columns(make_dataset):
    dataset = make_dataset(wide(1))
    header = b"".join(Export(dataset, "judgments-csv").pieces()).decode()
    assert header.replace('"', "").strip().split(",") == list(writable()["judgments-csv"].COLUMNS)
    judged = next_judgment(person("dora"), dataset)
    record(judged, 0, "left")
    assert b"".join(Export(dataset, "judgments-csv").pieces()).decode().startswith(header)


def test_parquet_keeps_numbers_that_come_after_thousands_without(monkeypatch):
    monkeypatch.setattr(encoding, "ROWS_A_GROUP", 2)
    rows = [{"seconds": None, "text": "a"}] * 3 + [{"seconds": 2.5, "text": "b"}]
    data = b"".join(encoding.parquet(iter(rows), ()))
    assert parquet.read_table(io.BytesIO(data)).to_pylist() == rows
    assert parquet.ParquetFile(io.BytesIO(data)).num_row_groups == 2


@pytest.mark.parametrize("name", TABLES)
def test_decisions_stand_among_the_votes_where_they_are_asked_for(make_dataset, alice, bob, name):
    dataset = make_dataset(wide(2), overlap=1, review="split")
    decided = next_judgment(alice, dataset)
    record(decided, 0, "left")
    record(next_judgment(alice, dataset), 0, "tie")
    made = {"comparison": decided.comparison, "dataset": dataset, "order": decided.order, "decided_at": timezone.now()}
    Judgment.objects.create(**made, annotator=bob, purpose="decision", state="saved", verdict="right")
    recount_all(dataset)
    for decisions, purposes, left_out in [
        ("votes", ["vote", "vote"], {}),
        ("first", ["vote", "vote", "decision"], {}),
        ("only", ["decision"], {"decided": 1, "undecided": 1}),
    ]:
        rows, account = table(name, dataset, decisions=decisions)
        assert ([row["purpose"] for row in rows], account["left_out"]) == (purposes, left_out)

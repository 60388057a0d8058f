"""Rows sent by a script: all or nothing, for any body."""

import gzip
import io
import json
import tracemalloc

import pytest
from django.conf import settings
from django.test import Client

from api import rows
from datasets.files.limits import LONGEST_ROW
from datasets.models import Comparison, Import, Prompt
from tests.conftest import build_rows
from tests.test_api import ROOT, Script, check_documented

BAD = {"prompt": "Why?", "responses": ["Because.", ""]}


@pytest.fixture
def script(admin):
    script = Script(admin, reads=True, writes=True)
    script.post("", {"slug": "demo", "overlap": 2})
    return script


def encode_ndjson(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def send(script, rows, query="", content_type="application/x-ndjson"):
    return script.post(f"demo/rows/{query}", rows if isinstance(rows, bytes) else encode_ndjson(rows), content_type)


def list_leftovers():
    """Files that a request left on disk."""
    spools = (settings.DATA_DIR / "spool").glob("*") if (settings.DATA_DIR / "spool").exists() else []
    return [*spools, *settings.FILE_UPLOAD_TEMP_DIR.glob("*")]


def test_a_column_that_bears_on_learning_is_a_422_until_it_is_ignored(script):
    rows = [{**row, "label": 0} for row in build_rows(2)]
    answer = send(script, rows)
    assert answer.status_code == 422
    assert answer.json()["unread"] == {"label": 2}
    assert "label" in answer.json()["detail"]
    assert not Prompt.objects.exists()
    answer = send(script, rows, "?ignore=label")
    assert (answer.status_code, answer.json()["unread"]) == (200, {"label": 2})
    assert Prompt.objects.count() == 2
    assert send(script, rows, "?ignore=label&background=true").status_code == 202


def test_rows_are_stored_and_counted(script):
    answer = send(script, build_rows(3))
    assert answer.status_code == 200
    told = answer.json()
    assert told.pop("seconds") >= 0
    assert told == {
        "dataset": "demo",
        "format": "wide",
        "rows": 3,
        "prompts": 3,
        "responses": 6,
        "choices": 0,
        "duplicates": 0,
        "refused": 0,
        "unread": {},
        "warnings": {},
        "number": Import.objects.get().pk,
        "errors": [],
        "doubts": {},
    }
    assert Comparison.objects.filter(held="", wanted=2).count() == 3
    assert list_leftovers() == []


def test_doubts_are_counted_and_their_rows_left_out_where_asked(script):
    odd = [
        {"prompt": "Who?", "responses": ["As Claude, I know.", "Nobody."]},
        {"prompt": "When?", "responses": ["1", "1"]},
    ]
    told = send(script, [*build_rows(2), *odd], "?leave_out=names_model,stored").json()
    assert (told["rows"], told["refused"], told["prompts"]) == (4, 1, 3)
    assert told["doubts"] == {"names_model": 1, "same_answers": 1}
    assert [(error["reason"], error["line"]) for error in told["errors"]] == [("left_out", 3)]
    told = send(script, build_rows(2), "?leave_out=all").json()
    assert (told["rows"], told["refused"], told["duplicates"], told["doubts"]) == (2, 2, 0, {"stored": 2})
    assert send(script, build_rows(1), "?leave_out=invented").status_code == 422


def test_the_same_rows_again_are_duplicates(script):
    send(script, build_rows(3))
    told = send(script, build_rows(4)).json()
    assert (told["rows"], told["duplicates"], told["prompts"]) == (4, 3, 1)


def test_the_import_is_found_by_its_number(script, admin):
    told = send(script, [*build_rows(1), BAD], "?skip_bad_rows=true&file=more.jsonl").json()
    found = script.get(f"demo/imports/{told['number']}/").json()
    assert {name: found[name] for name in ("number", "state", "files", "rows", "refused", "format")} == {
        "number": told["number"],
        "state": "done",
        "files": ["more.jsonl"],
        "rows": 2,
        "refused": 1,
        "format": "wide",
    }
    assert found["errors"] == told["errors"]
    assert Import.objects.get().created_by == admin


def test_a_bad_row_keeps_all_others_out(script):
    answer = send(script, [*build_rows(2), BAD])
    assert answer.status_code == 422
    told = answer.json()
    (error,) = told["errors"]
    assert (error["line"], error["field"], error["reason"]) == (3, "responses[1]", "empty_answer")
    assert error["words"] == "The answer is empty."
    summary = told["summary"]
    assert (summary["rows"], summary["refused"], summary["prompts"]) == (3, 1, 0)
    assert (Prompt.objects.count(), Import.objects.count(), list_leftovers()) == (0, 0, [])


def test_bad_rows_are_skipped_where_that_is_asked_for(script):
    answer = send(script, [*build_rows(2), BAD], "?skip_bad_rows=true")
    assert answer.status_code == 200
    assert (answer.json()["refused"], answer.json()["prompts"], len(answer.json()["errors"])) == (1, 2, 1)
    assert Prompt.objects.count() == 2


def test_the_first_hundred_refusals_are_told_and_all_counted(script):
    told = send(script, [BAD] * 250).json()
    assert [error["line"] for error in told["errors"]] == list(range(1, 101))
    assert told["summary"]["refused"] == 250


@pytest.mark.parametrize(
    ("body", "format"),
    [
        (json.dumps(build_rows(2)).encode(), "wide"),
        (gzip.compress(encode_ndjson(build_rows(2))), "wide"),
        (b"prompt,chosen,rejected\nWhy?,Because.,No.\nHow?,So.,Thus.\n", "dpo-text"),
        (encode_ndjson([{"instruction": f"{n}?", "output": "x"} for n in range(2)]), "alpaca"),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_the_shape_is_told_by_the_content_whatever_the_header_says(script, body, format, content_type):
    told = send(script, body, content_type=content_type).json()
    assert (told["rows"], told["refused"], told["format"]) == (2, 0, format)


def test_a_shape_can_be_named(script):
    rows = [{"instruction": "Why?", "output": "Because."}]
    assert send(script, rows, "?format=alpaca").json()["format"] == "alpaca"
    assert send(script, rows, "?format=none").status_code == 422


def test_a_form_with_a_file_is_refused_with_advice(script):
    headers = script.headers
    answer = check_documented(
        Client().post(f"{ROOT}demo/rows/", {"file": io.BytesIO(encode_ndjson(build_rows(1)))}, headers=headers)
    )
    assert answer.status_code == 415
    assert "--data-binary" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty_file"),
        (b" \n\n", "empty_file"),
        (b"\x00", "not_text"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not_text"),
        (b"hello", "unknown_file"),
        (b'[{"prompt": "Why?", "responses": ["a", "b"]}', "cut_off"),
        (b'{"colour": "red"}\n', "unknown_shape"),
        (gzip.compress(encode_ndjson(build_rows(9)))[:-9], "cut_off_gzip"),
        (b"[1, 2]", "no_rows"),
        (b"{\n", "no_rows"),
    ],
)
def test_a_body_that_holds_no_rows_is_refused_in_words(script, body, reason):
    answer = send(script, body)
    assert answer.status_code == 422
    told = answer.json()
    assert [error["reason"] for error in told["errors"]] == [reason]
    assert told["errors"][0]["words"]
    assert told["summary"] is None
    assert (Prompt.objects.count(), Import.objects.count(), list_leftovers()) == (0, 0, [])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"{", "bad_json"),
        (b"[]", "not_an_object"),
        (b'{"prompt": "a\\u0000b", "responses": ["a", "b"]}', "bad_unicode"),
        (b'{"prompt": "\\ud800", "responses": ["a", "b"]}', "bad_unicode"),
        (b'{"prompt": "\xff", "responses": ["a", "b"]}', "bad_unicode"),
        (b'{"prompt": ' + b"[" * 5000 + b"]" * 5000 + b"}", "too_deep"),
        (b'{"prompt": "Why?", "responses": ["same", "same"], "winner": 3}', None),
    ],
)
def test_a_hostile_row_is_refused_alone(script, row, reason):
    answer = send(script, encode_ndjson(build_rows(1)) + row + b"\n", "?skip_bad_rows=true")
    assert answer.status_code == 200
    if reason:
        assert [(error["line"], error["reason"]) for error in answer.json()["errors"]] == [(2, reason)]


def test_a_row_without_end_is_refused(script):
    body = (
        encode_ndjson(build_rows(1))
        + b'{"prompt": "'
        + b"x" * (LONGEST_ROW + 1)
        + b'"}\n'
        + encode_ndjson(build_rows(2))
    )
    told = send(script, body, "?skip_bad_rows=true&background=false").json()
    assert [error["reason"] for error in told["errors"]] == ["row_too_long"]
    assert told["prompts"] == 2


@pytest.mark.parametrize("name", ["a%00b", "a%0Ab", "x" * 201, ""])
def test_a_name_that_cannot_be_kept_is_refused(script, name):
    assert send(script, build_rows(1), f"?file={name}").status_code == 422
    assert not Import.objects.exists()


class GrowingBody:
    """A body that is generated while it is read; records the largest read."""

    def __init__(self, size, line):
        self.left, self.line, self.kept, self.most = size, line, b"", 0

    def read(self, size=-1):
        self.most = max(self.most, size if size >= 0 else self.left)
        size = min(self.left, size) if size >= 0 else self.left
        while len(self.kept) < size:
            self.kept += self.line * 100
        piece, self.kept = self.kept[:size], self.kept[size:]
        self.left -= size
        return piece


def test_a_body_of_any_size_never_lies_in_memory(script, tmp_path):
    line = (json.dumps(BAD | {"prompt": "x" * 1000}) + "\n").encode()
    size = len(line) * ((48 << 20) // len(line))
    flow = GrowingBody(size, line)
    request = type("Request", (), {"content_type": "", "META": {"CONTENT_LENGTH": str(size)}, "read": flow.read})()
    tracemalloc.start()
    with rows.body_file(request) as file:
        assert file.seek(0, 2) == size
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    assert 0 < flow.most <= rows.PIECE


def test_a_body_that_breaks_off_stores_nothing(script):
    rows = encode_ndjson(build_rows(5))
    half = rows[: rows.index(b"\n") + 1]
    server = {"CONTENT_LENGTH": str(len(rows)), "wsgi.input": io.BytesIO(half)}
    answer = check_documented(Client().generic("POST", f"{ROOT}demo/rows/", half, headers=script.headers, **server))
    assert answer.status_code == 400
    assert (Prompt.objects.count(), Import.objects.count(), list_leftovers()) == (0, 0, [])


def test_while_another_import_is_stored_a_script_waits_and_then_is_told_to_come_back(script, monkeypatch):
    send(script, build_rows(1))
    monkeypatch.setattr("datasets.imports.store.LONGEST_WAIT", 0)
    Import.objects.update(state=Import.State.STORING)
    answer = send(script, build_rows(2))
    assert answer.status_code == 503
    assert Import.objects.count() == 1
    assert Prompt.objects.count() == 1

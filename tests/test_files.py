"""Containers are told apart by what they hold, read row by row, and what cannot be read is named with its line."""

import csv
import gzip
import io
import itertools
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import files, reasons
from datasets.checking import read as read_row
from datasets.checking import recognised
from datasets.files import FileProblem, items
from datasets.formats.rows import Refused
from tests.test_formats import BY_FILES

ROWS = [{"prompt": "Hi", "completion": "Hello!"}, {"prompt": "你好", "completion": "您好！\n再见。"}]
TABLE = 'prompt{0}completion\nHi{0}Hello!\n你好{0}"您好！\n再见。"\n'


def contents(data):
    """(kind, [(line, row or reason)]) of a file."""
    kind, found = items(io.BytesIO(data))
    return kind, [(item.line, getattr(item.value, "reason", item.value)) for item in found]


def jsonl(*rows, end="\n"):
    return "".join(json.dumps(row, ensure_ascii=False) + end for row in rows)


def pretty(value):
    return json.dumps(value, ensure_ascii=False, indent=2)


# name: (the text, kind, the lines where the two rows begin)
CONTAINERS = {
    "JSON Lines": (jsonl(*ROWS), "jsonl", [1, 2]),
    "JSON Lines, the last line without its end": (jsonl(*ROWS)[:-1], "jsonl", [1, 2]),
    "JSON Lines with blank lines": ("\n" + "\n \n".join(jsonl(*ROWS).splitlines()) + "\n\n", "jsonl", [2, 4]),
    "JSON Lines with CRLF": (jsonl(*ROWS, end="\r\n"), "jsonl", [1, 2]),
    "a JSON array on one line": (json.dumps(ROWS), "json", [1, 1]),
    "a JSON array, a row on each line": ("[\n" + ",\n".join(map(json.dumps, ROWS)) + "\n]\n", "json", [2, 3]),
    "a pretty-printed JSON array": (pretty(ROWS), "json", [2, 6]),
    "a pretty-printed JSON array with CRLF": (pretty(ROWS).replace("\n", "\r\n"), "json", [2, 6]),
    "a JSON array after blank lines": ("\n\n" + json.dumps(ROWS), "json", [3, 3]),
    "pretty-printed objects one after the other": ("\n".join(map(pretty, ROWS)), "json", [1, 5]),
    "CSV": (TABLE.format(","), "csv", [2, 3]),
    "CSV with semicolons": (TABLE.format(";"), "csv", [2, 3]),
    "TSV": (TABLE.format("\t"), "tsv", [2, 3]),
    "CSV, the last line without its end": (TABLE.format(",")[:-1], "csv", [2, 3]),
    "CSV after a blank line": ("\n" + TABLE.format(","), "csv", [3, 4]),
    "CSV with blank lines": (TABLE.format(",").replace("!\n", "!\n\n,\n"), "csv", [2, 5]),
}


@pytest.mark.parametrize("gzipped", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("bom", ["", "\ufeff"], ids=["", "BOM"])
@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_told_by_its_content(name, bom, gzipped):
    text, kind, lines = CONTAINERS[name]
    data = (bom + text).encode()
    found, rows = contents(gzip.compress(data) if gzipped else data)
    assert (found, rows) == (kind, list(zip(lines, ROWS, strict=True)))


def test_one_object_is_one_row_on_one_line_or_on_many():
    assert contents(json.dumps(ROWS[0]).encode()) == ("jsonl", [(1, ROWS[0])])
    assert contents(pretty(ROWS[0]).encode()) == ("json", [(1, ROWS[0])])


def test_one_object_of_many_lines_may_be_longer_than_what_is_read_at_once():
    row = {"prompt": "x" * files.HEAD, "completion": "y" * 200 + "\n" * 100}
    assert contents(pretty(row).encode()) == ("json", [(1, row)])
    assert contents(pretty([row, ROWS[0]]).encode()) == ("json", [(2, row), (6, ROWS[0])])


def test_a_table_with_crlf_keeps_the_line_ends_that_stand_in_quotes():
    data = b'prompt,completion\r\n"a\r\nb","c\nd"\r\n"e\rf",\r\n'
    assert contents(data) == (
        "csv",
        [(2, {"prompt": "a\r\nb", "completion": "c\nd"}), (5, {"prompt": "e\rf", "completion": ""})],
    )


@pytest.mark.parametrize("text", ["a\u2028b", "a\u2029b", "a\x85b", "a\x0bb", "a\x0cb", "a\u00a0", "\ufeffa", "a\r"])
def test_only_a_line_feed_ends_a_line_and_every_other_character_is_text(text):
    row = {"prompt": text, "completion": f'"{text}", {text}'}
    assert contents(jsonl(row).encode()) == ("jsonl", [(1, row)])
    table = io.StringIO()
    csv.writer(table).writerows([row, row.values()])
    assert contents(table.getvalue().encode())[1][0][1] == row


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@settings(max_examples=40, deadline=None)
@given(cells=st.lists(st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\0"))] * 3), max_size=4))
def test_a_table_comes_back_to_the_byte(delimiter, cells):
    table = io.StringIO()
    csv.writer(table, delimiter=delimiter).writerows([("prompt", "response_1", "response_2"), *cells])
    rows = [row for _, row in contents(table.getvalue().encode())[1] if row != "second_header"]
    assert [tuple(row.values()) for row in rows] == [row for row in cells if any(row)]


PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\x00"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01"
XLSX = b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00"
ARRAY = json.dumps(ROWS).encode()

# name: (the bytes, why the file cannot be read, the line)
PROBLEMS = {
    "nothing": (b"", "empty_file", 0),
    "blanks": (b" \r\n\t\n", "empty_file", 0),
    "a BOM": (b"\xef\xbb\xbf\n", "empty_file", 0),
    "nothing, gzipped": (gzip.compress(b""), "empty_file", 0),
    "PNG": (PNG, "not_text", 0),
    "JPEG": (JPEG, "not_text", 0),
    "XLSX": (XLSX, "not_text", 0),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "unknown_file", 0),
    "a picture, gzipped": (gzip.compress(PNG), "not_text", 0),
    "GBK": ("提示,回答\n".encode("gbk"), "not_text", 0),
    "UTF-16 with a mark, little end first": (jsonl(*ROWS).encode("utf-16"), "utf16", 0),
    "UTF-16 with a mark, big end first": (b"\xfe\xff" + jsonl(*ROWS).encode("utf-16-be"), "utf16", 0),
    "UTF-16, little end first": (jsonl(*ROWS).encode("utf-16-le"), "utf16", 0),
    "UTF-16, big end first": (jsonl(*ROWS).encode("utf-16-be"), "utf16", 0),
    "words": (b"It was a dark and stormy night.\nIt rained.\n", "unknown_file", 0),
    "HTML": (b"<!doctype html>\n<html></html>", "unknown_file", 0),
    "an array that ends after a row": (b'[\n{"a": 1}', "cut_off", 2),
    "an array that ends after a comma": (b'[\n{"a": 1},\n', "cut_off", 3),
    "an array that ends in a row": (pretty(ROWS).encode()[:90], "bad_json", 8),
    "an array that ends in a text": (b'[{"a": "b', "bad_json", 1),
    "an array with a broken row": (b'[{"a": 1},\n{"a": 2},\n{"a": 1 "b": 2}]', "bad_json", 3),
    "an array without a comma": (b'[{"a": 1}\n{"a": 2}]', "bad_json", 2),
    "an array and more": (b'[{"a": 1}]\n\n[{"a": 2}]', "bad_json", 3),
    "objects of many lines, one broken": (b'{\n"a": 1\n}\n{\n"a": \n}', "bad_json", 6),
    "an array with too deep a row": (b'[{"a": 1},\n{"a": ' + b"[" * 100_000, "too_deep", 2),
    ".gz, cut off": (gzip.compress(ARRAY * 99)[:-9], "cut_off_gzip", 0),
    ".gz, damaged": (gzip.compress(ARRAY)[:20] + b"\xff\xff" + gzip.compress(ARRAY)[22:], "cut_off_gzip", 0),
    ".gz with a wrong sum": (gzip.compress(ARRAY)[:-8] + bytes(8), "cut_off_gzip", 0),
    "a column twice": (b"prompt,a,a\nHi,b,c\n", "duplicate_column", 1),
    "a quote that is never closed": (b'prompt,completion\nHi,Hello!\nHi,"Hello!\nHi,Hello!\n', "bad_table", 3),
    "a text after a quote": (b'prompt,completion\nHi,Hello!\nHi,"Hello" she said\n', "bad_table", 3),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_file_that_cannot_be_read_is_told_with_reason_and_line(name):
    data, code, line = PROBLEMS[name]
    with pytest.raises(FileProblem) as caught:
        contents(data)
    assert (caught.value.code, caught.value.line) == (code, line)
    caught.value.detail.encode()


def test_a_gz_that_breaks_far_behind_its_beginning_is_told_after_its_rows():
    """Not before: a file is read as a stream."""
    rows = "".join(json.dumps({"a": f"{i:x}" * 300}) + "\n" for i in range(9000)).encode()
    _, found = items(io.BytesIO(gzip.compress(rows)[:-20]))
    assert next(found).line == 1
    with pytest.raises(FileProblem, match="cut_off_gzip"):
        list(found)


def test_a_gz_that_swells_as_no_text_does_is_refused(monkeypatch):
    monkeypatch.setattr(files, "SWELLS_FROM", 1 << 20)
    varied = jsonl(*({"prompt": f"{i} {i * i}", "completion": f"{i:b} {i:o}"} for i in range(40_000))).encode()
    assert len(varied) > 2 << 20
    assert len(contents(gzip.compress(varied))[1]) == 40_000
    with pytest.raises(FileProblem, match="swells"):
        contents(gzip.compress(jsonl({"prompt": "x" * 1000}).encode() * 9000))


def test_every_reason_to_refuse_a_file_is_in_the_table():
    elsewhere = {"row_too_long", "swells", "unknown_shape", "no_rows"}
    assert {code for _, code, _ in PROBLEMS.values()} | elsewhere == set(reasons.FILE)


DEEP = '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"

# (the text or bytes, [(line, reason)] of what is refused; the rest is read)
REFUSED = [
    (f'{{"a": 1}}\n{{"a": 2\n\n[1]\n"a"\n7\nnull\n{{"a": NaN}}\n{{"a": -Infinity}}\n{DEEP}\n{{"a": 3}}\n',
     [(2, "bad_json"), (4, "not_an_object"), (5, "not_an_object"), (6, "not_an_object"), (7, "not_an_object"),
      (8, "bad_json"), (9, "bad_json"), (10, "too_deep")]),
    ('{"a": "\x00"}\n{"a": "\t"}\n{\'a\': 1}\n{"a": 1},\n', [(n, "bad_json") for n in (1, 2, 3, 4)]),
    (b'{"a": "\xff"\n', [(1, "bad_json")]),
    ('[{"a": 1},\n2,\nnull, ["b"],\n{"a": 3}]', [(2, "not_an_object"), (3, "not_an_object"), (3, "not_an_object")]),
    ('[{"a": 1},\n{"a": NaN},\n{"a": [Infinity, {"b": "]"}]}, {"a": 3}]', [(2, "bad_json"), (3, "bad_json")]),
    ("a,b\n1,2\n1\n1,2,3\na,b\n a , b\n1,2\n",
     [(3, "ragged_row"), (4, "ragged_row"), (5, "second_header"), (6, "second_header")]),
]  # fmt: skip


@pytest.mark.parametrize(("data", "refused"), REFUSED)
def test_a_row_that_cannot_be_read_is_refused_with_its_line_and_the_rest_is_read(data, refused):
    _, rows = contents(data if isinstance(data, bytes) else data.encode())
    assert [(line, reason) for line, reason in rows if isinstance(reason, str)] == refused


def test_every_reason_to_refuse_a_row_unread_is_in_the_table():
    assert {reason for _, refused in REFUSED for _, reason in refused} == BY_FILES - {"row_too_long"} | {"bad_json"}


# (the file, line, field) of a text that cannot be stored
UNSTORABLE = [
    (rb'{"prompt": "Hi", "completion": "a"}' + b"\n" + rb'{"prompt": "Hi", "completion": "\ud83d"}', 2, "completion"),
    (rb'{"prompt": "\u0000", "completion": "Hello!"}', 1, "prompt"),
    (b'{"prompt": "Hi", "completion": "\xed\xa0\xbd"}', 1, "completion"),  # CESU-8
    (b'{"prompt": "Hi", "completion": "caf\xe9"}', 1, "completion"),  # Latin-1
    (rb'[{"prompt": "Hi", "completion": "a"},' + b"\n" + rb'{"prompt": "\udc00", "completion": "a"}]', 2, "prompt"),
    (b'[{"prompt": "Hi", "completion": "\xed\xa0\xbd"}]', 1, "completion"),
    (b"prompt,completion\nHi,Hello!\nHi,\x00\n", 3, "completion"),
    (b"prompt,completion\nHi,\xed\xa0\xbd\n", 2, "completion"),
    (b"prompt,completion\nHi,Hello!\n\xc4\xe3\xba\xc3,Hello!\n", 3, "prompt"),  # GBK
]  # fmt: skip


@pytest.mark.parametrize(("data", "line", "field"), UNSTORABLE)
def test_nul_and_half_of_a_surrogate_pair_are_refused_with_line_and_field(data, line, field):
    found = list(items(io.BytesIO(data))[1])
    assert recognised(found, "auto")[0] == "sft"
    read = [(item, read_row(item, *recognised(found, "auto"))) for item in found]
    assert [(i.line, row.reason, row.field) for i, row in read if isinstance(row, Refused)] == [
        (line, "bad_unicode", field)
    ]


def test_a_pair_of_surrogates_written_as_escapes_is_one_character():
    assert contents(rb'{"a": "\ud83d\ude00"}') == ("jsonl", [(1, {"a": "😀"})])


@pytest.mark.parametrize("key", [r"\ud83d", "é".encode("latin-1").decode("utf-8", "surrogateescape")])
def test_a_field_whose_name_cannot_be_stored_does_not_hinder_telling_it(key):
    found = list(items(io.BytesIO(f'{{"{key}": 1}}'.encode("utf-8", "surrogateescape")))[1])
    with pytest.raises(FileProblem, match="unknown_shape") as caught:
        recognised(found, "auto")
    caught.value.detail.encode()


@pytest.fixture
def _short_rows(monkeypatch):
    monkeypatch.setattr(files, "LONGEST_ROW", 1000)


@pytest.mark.usefixtures("_short_rows")
def test_a_row_that_is_too_long_is_refused_and_the_next_one_read():
    long, short = {"a": "x" * 5000}, {"a": "y" * 900}
    assert contents(jsonl(short, long, short).encode()) == ("jsonl", [(1, short), (2, "row_too_long"), (3, short)])


@pytest.mark.usefixtures("_short_rows")
@pytest.mark.parametrize("end", ["", '"', '"\n'])
def test_a_table_with_too_long_a_cell_is_told(end):
    for text in ("x" * 5000, "x\n" * 5000):
        with pytest.raises(FileProblem) as caught:
            contents(f'a,b\n1,2\n3,"{text}{end}'.encode())
        assert (caught.value.code, caught.value.line) == ("row_too_long", 3)


@pytest.mark.usefixtures("_short_rows")
def test_an_array_with_too_long_a_row_is_told():
    with pytest.raises(FileProblem) as caught:
        contents(b'[{"a": 1},\n{"a": "' + b"x" * (2 * files.HEAD))
    assert (caught.value.code, caught.value.line) == ("row_too_long", 2)


@pytest.mark.usefixtures("_short_rows")
def test_a_mistake_in_an_array_is_called_a_mistake_however_long_the_file():
    with pytest.raises(FileProblem) as caught:
        contents(b'[{"a": 1},\n{"a": \n1 2},\n' + b'{"a": 1},\n' * files.HEAD)
    assert (caught.value.code, caught.value.line) == ("bad_json", 3)


class Endless(io.RawIOBase):
    """A file of so many bytes that is nowhere whole."""

    def __init__(self, first, again, last, size):
        self.chunks = itertools.chain([first], itertools.repeat(again, size // len(again)), [last])
        self.rest = b""

    def readable(self):
        return True

    def readinto(self, buffer):
        chunk = self.rest or next(self.chunks, b"")
        taken, self.rest = chunk[: len(buffer)], chunk[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def peak(first, again, last, size):
    """The most bytes that reading a file of this size held at once."""
    stream = io.BufferedReader(Endless(first, again, last, size))
    tracemalloc.start()
    for _ in items(stream)[1]:
        pass
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


ROW = json.dumps({"prompt": "x" * 9_000, "completion": "y" * 11_000}).encode()
ENDLESS = {
    "jsonl": (ROW + b"\n", ROW + b"\n", ROW),
    "json": (b"[" + ROW, b",\n" + ROW, b"]"),
    "csv": (b"prompt,completion\n", b'%s,"%s\n%s"\n' % (b"x" * 9_000, b"y" * 9_000, b"z" * 2_000), b""),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_memory_does_not_grow_with_the_file(kind):
    small, large = (peak(*ENDLESS[kind], size) for size in (6_000_000, 60_000_000))
    assert large < 1.2 * small < 20_000_000


def test_memory_does_not_grow_with_a_gzipped_file():
    data = gzip.compress((ROW + b"\n") * 3000, 1)
    tracemalloc.start()
    assert sum(1 for _ in items(io.BytesIO(data))[1]) == 3000
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_memory_does_not_grow_with_one_endless_line(monkeypatch):
    """A row beyond the limit is passed over in pieces; a table or an array ends there."""
    monkeypatch.setattr(files, "LONGEST_ROW", 1 << 20)
    assert peak(b'{"a": "', b"x" * 10_000, b'"}\n', 60_000_000) < 10_000_000
    for first in (b"a,b\n", b'a,b\n"', b'[{"a": "'):
        with pytest.raises(FileProblem, match="row_too_long"):
            peak(first, b"x" * 10_000, b"", 60_000_000)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
        tracemalloc.stop()

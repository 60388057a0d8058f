"""Containers are detected by content and read row by row; errors name the line."""

import contextlib
import csv
import gzip
import io
import itertools
import json
import tracemalloc
import zipfile
from datetime import date, datetime
from decimal import Decimal
from types import SimpleNamespace

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from datasets import reasons
from datasets.files import encodings, limits
from datasets.files.detect import read_items
from datasets.files.item import FileProblem
from datasets.formats.rows import Refusal
from datasets.imports import check as imports_check
from datasets.imports import spool as imports_spool
from datasets.imports.reading import Facts, Options, choose_reading, detect_format
from datasets.imports.spool import Spool
from tests.test_formats import BY_FILES

ROWS = [{"prompt": "Hi", "completion": "Hello!"}, {"prompt": "你好", "completion": "您好！\n再见。"}]
TABLE = 'prompt{0}completion\nHi{0}Hello!\n你好{0}"您好！\n再见。"\n'


def read_contents(data):
    """(kind, [(line, row or reason)]) of a file."""
    kind, found = read_items(io.BytesIO(data))
    return kind, [(item.line, getattr(item.value, "reason", item.value)) for item in found]


def format_jsonl(*rows, end="\n"):
    return "".join(json.dumps(row, ensure_ascii=False) + end for row in rows)


def format_pretty(value):
    return json.dumps(value, ensure_ascii=False, indent=2)


# name: (the text, kind, the first lines of the two rows)
CONTAINERS = {
    "JSON Lines": (format_jsonl(*ROWS), "jsonl", [1, 2]),
    "JSON Lines, the last line without its end": (format_jsonl(*ROWS)[:-1], "jsonl", [1, 2]),
    "JSON Lines with blank lines": ("\n" + "\n \n".join(format_jsonl(*ROWS).splitlines()) + "\n\n", "jsonl", [2, 4]),
    "JSON Lines with CRLF": (format_jsonl(*ROWS, end="\r\n"), "jsonl", [1, 2]),
    "a JSON array on one line": (json.dumps(ROWS), "json", [1, 1]),
    "a JSON array, a row on each line": ("[\n" + ",\n".join(map(json.dumps, ROWS)) + "\n]\n", "json", [2, 3]),
    "a pretty-printed JSON array": (format_pretty(ROWS), "json", [2, 6]),
    "a pretty-printed JSON array with CRLF": (format_pretty(ROWS).replace("\n", "\r\n"), "json", [2, 6]),
    "a JSON array after blank lines": ("\n\n" + json.dumps(ROWS), "json", [3, 3]),
    "pretty-printed objects one after the other": ("\n".join(map(format_pretty, ROWS)), "json", [1, 5]),
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
    found, rows = read_contents(gzip.compress(data) if gzipped else data)
    assert (found, rows) == (kind, list(zip(lines, ROWS, strict=True)))


# As spreadsheets save: "Unicode text", and "CSV" on Chinese systems; only UTF-16 has a byte order mark.
ENCODINGS = ["utf-16", "utf-16-be", "gb18030"]


@pytest.mark.parametrize("gzipped", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["CSV", "CSV with semicolons", "TSV"])
def test_a_table_may_be_in_another_encoding(name, encoding, gzipped):
    text, kind, lines = CONTAINERS[name]
    data = (b"\xfe\xff" if encoding == "utf-16-be" else b"") + text.encode(encoding)
    found, rows = read_contents(gzip.compress(data) if gzipped else data)
    assert (found, rows) == (kind, list(zip(lines, ROWS, strict=True)))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_long_table_in_another_encoding_is_read_as_it_streams(encoding):
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    cell = "是的，" * 40_000 + "😀"
    data = mark + ("prompt,completion\n" + f"你好,{cell}\n" * 30).encode(encoding)
    assert len(data) > 2 * limits.HEAD
    assert {tuple(row.values()) for _, row in read_contents(data)[1]} == {("你好", cell)}


OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def format_links(*named):
    found = "".join(f'<Relationship Id="{i}" Type="{OFFICE}/{kind}" Target="{path}"/>' for i, kind, path in named)
    return f"<Relationships>{found}</Relationships>"


def build_workbook(rows, strings="", formats="", book="", **other):
    """The bytes of an .xlsx file with these rows, shared strings, number formats and workbook settings (as XML)."""
    parts = {
        "_rels/.rels": format_links(("r1", "officeDocument", "xl/workbook.xml")),
        "xl/_rels/workbook.xml.rels": format_links(
            ("r1", "worksheet", "worksheets/hidden.xml"), ("r2", "worksheet", "/xl/worksheets/sheet1.xml"),
            ("r3", "worksheet", "worksheets/hidden.xml"), ("r4", "sharedStrings", "sharedStrings.xml"),
            ("r5", "styles", "styles.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{SHEETS}" xmlns:r="{OFFICE}">{book}<sheets>'
        '<sheet name="a" state="hidden" r:id="r1"/><sheet name="b" r:id="r2"/><sheet name="c" r:id="r3"/>'
        "</sheets></workbook>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{SHEETS}"><sheetData>{rows}</sheetData></worksheet>',
        "xl/worksheets/hidden.xml": f'<worksheet xmlns="{SHEETS}"><sheetData/></worksheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{SHEETS}">{strings}</sst>',
        "xl/styles.xml": f'<styleSheet xmlns="{SHEETS}">{formats}</styleSheet>',
    } | other  # fmt: skip
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return packed.getvalue()


def format_texts(*rows):
    """Rows of a sheet with each text in its cell."""
    cell = '<c t="inlineStr"><is><t xml:space="preserve">{}</t></is></c>'.format
    return "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)


def encode_parquet(rows, **options):
    sink = io.BytesIO()
    parquet.write_table(rows if isinstance(rows, pyarrow.Table) else pyarrow.Table.from_pylist(rows), sink, **options)
    return sink.getvalue()


@pytest.mark.parametrize("gzipped", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize(
    ("kind", "data", "lines"),
    [
        ("parquet", encode_parquet(ROWS), [1, 2]),
        ("xlsx", build_workbook(format_texts(ROWS[0], *(row.values() for row in ROWS))), [2, 3]),
    ],
)
def test_parquet_and_spreadsheets_are_told_by_their_content(kind, data, lines, gzipped):
    found, rows = read_contents(gzip.compress(data) if gzipped else data)
    assert (found, rows) == (kind, list(zip(lines, ROWS, strict=True)))


def test_a_stream_that_only_runs_forward_is_read_all_the_same():
    for data in (encode_parquet(ROWS), build_workbook(format_texts(ROWS[0], *(row.values() for row in ROWS)))):
        assert [item.value for item in read_items(io.BufferedReader(EndlessFile(data, b"x", b"", 0)))[1]] == ROWS
        assert [item.value for item in read_items(SimpleNamespace(read=io.BytesIO(data).read))[1]] == ROWS


SHARED = (
    "<si><t>prompt</t></si><si><r><t>Red </t></r><r><t>and</t></r><rPh><t>pronounced</t></rPh></si>"
    '<si><t xml:space="preserve"> a_x000D_\nb_x005F_x000D_ </t></si>'
)
FORMATS = (
    '<numFmts><numFmt numFmtId="164" formatCode="yyyy&quot;y&quot;"/>'
    '<numFmt numFmtId="165" formatCode="0.0&quot;d&quot;"/><numFmt numFmtId="166" formatCode="[Red]0.00"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs>'
    '<xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="166"/></cellXfs>'
)

# (a cell's XML, the text that is read)
CELLS = [
    ('<c t="s"><v>0</v></c>', "prompt"),
    ('<c t="s"><v>1</v></c>', "Red and"),
    ('<c t="s"><v>2</v></c>', " a\r\nb_x000D_ "),
    ('<c t="inlineStr"><is><r><t>a</t></r><r><t>b</t></r></is></c>', "ab"),
    ('<c t="str"><f>A1&amp;"x"</f><v>7.0</v></c>', "7.0"),
    ("<c><v>3</v></c>", "3"),
    ("<c><v>3.0</v></c>", "3"),
    ('<c t="n"><v>-12.50</v></c>', "-12.5"),
    ("<c><v>0.10000000000000001</v></c>", "0.1"),
    ("<c><v>123456789012345678</v></c>", "123456789012345678"),
    ("<c><v>1.5E+3</v></c>", "1500"),
    ("<c><v>1E+300</v></c>", "1e+300"),
    ('<c t="b"><v>1</v></c>', "TRUE"),
    ('<c t="b"><v>0</v></c>', "FALSE"),
    ('<c t="b"><v>true</v></c>', "TRUE"),
    ('<c t="e"><v>#N/A</v></c>', "#N/A"),
    ('<c t="d"><v>2024-01-02T03:04:05</v></c>', "2024-01-02T03:04:05"),
    ('<c s="1"><v>45293</v></c>', "2024-01-02"),
    ('<c s="2"><v>45293.127835648149</v></c>', "2024-01-02 03:04:05"),
    ('<c s="1"><v>0.5</v></c>', "12:00:00"),
    ('<c s="1"><v>-1</v></c>', "-1"),
    ('<c s="3"><v>2.50</v></c>', "2.5"),
    ('<c s="4"><v>2</v></c>', "2"),
    ("<c><f>A1</f></c>", ""),
]


def test_a_cell_is_read_as_the_text_that_it_shows():
    names = "".join(f'<c t="str"><v>{place}</v></c>' for place in range(len(CELLS)))
    data = build_workbook(f"<row>{names}</row><row>{''.join(cell for cell, _ in CELLS)}</row>", SHARED, FORMATS)
    ((_, row),) = read_contents(data)[1]
    assert [*row.values()] == [text for _, text in CELLS]


def test_days_may_count_from_1904():
    rows = format_texts(["a", "b"]) + '<row><c s="1"><v>1</v></c><c t="str"><v>x</v></c></row>'
    assert read_contents(build_workbook(rows, "", FORMATS, '<workbookPr date1904="1"/>'))[1][0][1]["a"] == "1904-01-02"


def test_cells_stand_where_they_say_and_rows_have_their_number():
    """The file leaves out empty cells and rows; a short row is empty in the rest."""
    name = '<c r="{}" t="str"><v>{}</v></c>'.format
    data = build_workbook(
        f'<row r="3">{name("A3", "a")}{name("B3", "b")}{name("AB3", "c")}</row><row r="4"><c r="A4" s="1"/></row>'
        f'<row r="7">{name("B7", "x")}</row><row r="8">{name("AC8", "y")}</row><row r="9">{name("A9", "z")}</row>'
    )
    assert read_contents(data)[1] == [
        (7, {"a": "", "b": "x", "": "", "c": ""}),
        (8, "ragged_row"),
        (9, {"a": "z"} | dict.fromkeys(["b", "", "c"], "")),
    ]


def test_a_spreadsheet_is_a_table_that_is_imported_as_one():
    rows = format_texts(["prompt", "answer_1", "answer_2", "answer_3", "winner"], ["Hi", "a", "b", "", "2"])
    found = list(read_items(io.BytesIO(build_workbook(rows)))[1])
    row = choose_reading(Facts.collect(found), Options()).read(found[0])
    assert [response.text for response in row.responses] == ["a", "b"]
    assert row.votes[0].pair == (1, 0)


def test_values_of_parquet_that_json_does_not_have_become_texts():
    day = date(2024, 1, 2)
    row = {"a": datetime(2024, 1, 2, 3), "b": day, "c": Decimal("1.50"), "d": b"x\xff", "e": [{"f": day, "g": None}]}
    read = {"a": "2024-01-02T03:00:00", "b": "2024-01-02", "c": "1.50", "d": "x\udcff"}
    assert read_contents(encode_parquet([row]))[1] == [(1, {**read, "e": [{"f": "2024-01-02", "g": None}]})]


def test_a_value_of_parquet_that_is_no_value_is_refused_with_its_row():
    wrong = pyarrow.Array.from_buffers(pyarrow.string(), 2, pyarrow.array([b"\xff", b"b"]).buffers())
    far = pyarrow.array([1, 1 << 62], pyarrow.timestamp("ms"))
    _, found = read_items(io.BytesIO(encode_parquet(pyarrow.table({"a": wrong, "b": far}))))
    assert [(item.line, item.value.reason, item.value.field) for item in found] == [
        (1, "bad_unicode", "a"),
        (2, "not_text", "b"),
    ]


@pytest.mark.django_db
def test_a_refused_row_of_parquet_is_shown_as_it_stood():
    two = ["a", "b"]
    rows = [{"prompt": "Hi", "responses": two, "score": 1.5, "at": None, "raw": b"\xff"},
            {"prompt": "", "responses": two, "score": float("nan"), "at": date(2024, 1, 2), "raw": b"c"}]  # fmt: skip
    run = imports_check.check([("some.parquet", io.BytesIO(encode_parquet(rows)))], "demo")
    spool = Spool(imports_spool.get_spool_path(run))
    (refused,) = spool.iter_refusals()
    spool.close()
    assert (run.rows, refused["line"], refused["field"], refused["reason"]) == (2, 2, "prompt", "empty_prompt")
    assert refused["row"] == {"prompt": "", "responses": two, "score": "nan", "at": "2024-01-02", "raw": "c"}


@pytest.mark.usefixtures("_short_rows")
def test_a_row_of_parquet_that_is_too_long_is_refused_and_the_next_one_read():
    rows = [{"a": "x" * 5000}, {"a": "y" * 900}]
    assert read_contents(encode_parquet(rows))[1] == [(1, "row_too_long"), (2, rows[1])]


@pytest.mark.usefixtures("_short_rows")
@pytest.mark.parametrize("long", [["x" * 5000], ["x" * 600, "y" * 600]])
def test_a_spreadsheet_with_too_long_a_row_is_told(long):
    shared = "".join(f"<si><t>{text}</t></si>" for text in long)
    places = "".join(f'<c t="s"><v>{place}</v></c>' for place in range(len(long)))
    for data in (
        build_workbook(format_texts(["a", "b"], long)),
        build_workbook(f"{format_texts(['a', 'b'])}<row>{places}</row>", shared),
    ):
        with pytest.raises(FileProblem, match="row_too_long"):
            read_contents(data)


BOMB = 9_000_000  # bytes of one character


@pytest.mark.parametrize(
    "data",
    [
        build_workbook(format_texts(["a", "b"], ["x" * BOMB, "y"])),
        build_workbook(format_texts(["a", "b"]), f"<si><t>{'x' * BOMB}</t></si>"),
        build_workbook(
            format_texts(["a", "b"]) + '<row><c t="s"><v>0</v></c></row>' * 300, f"<si><t>{'x' * 50_000}</t></si>"
        ),
        encode_parquet([{"a": "x" * BOMB}], compression="zstd", use_dictionary=False),
        encode_parquet([{"a": "x" * 50_000}] * 300),
    ],
    ids=[
        "xlsx: a cell",
        "xlsx: a shared string",
        "xlsx: a string again and again",
        "parquet: a cell",
        "parquet: again",
    ],
)
def test_what_swells_as_no_text_does_is_refused_before_memory_fills(data, monkeypatch):
    monkeypatch.setattr(limits, "BOMB_FROM", 1 << 20)
    monkeypatch.setattr(limits, "BOMB_RATIO", 100)
    pool = pyarrow.default_memory_pool()
    watched = pyarrow.proxy_memory_pool(pool)
    pyarrow.set_memory_pool(watched)
    tracemalloc.start()
    with pytest.raises(FileProblem, match="too_packed"):
        read_contents(data)
    pyarrow.set_memory_pool(pool)
    assert tracemalloc.get_traced_memory()[1] + watched.max_memory() < 8_000_000
    tracemalloc.stop()


BOOK = build_workbook(format_texts(ROWS[0], *(row.values() for row in ROWS)), SHARED, FORMATS)
SHEET = BOOK.index(b"xl/worksheets/sheet1.xml")
WORD, BINARY = (format_links(("1", "officeDocument", path)) for path in ("word/document.xml", "xl/workbook.bin"))
TYPED = '<!DOCTYPE x [<!ENTITY a "aaaa">]>'

# name: (a file that begins like Parquet or .xlsx, why it cannot be read)
DAMAGED = {
    "Parquet, in the middle": (encode_parquet(ROWS)[:40] + bytes(60) + encode_parquet(ROWS)[100:], "bad_parquet"),
    "Parquet, its end": (encode_parquet(ROWS)[:-30], "bad_parquet"),
    "Parquet, two columns of a name": (encode_parquet(pyarrow.table([[1], [2]], ["a", "a"])), "duplicate_column"),
    "XLSX, cut off": (BOOK[:-50], "bad_xlsx"),
    "XLSX, in the middle": (BOOK.replace(BOOK[SHEET + 40 : SHEET + 90], bytes(50)), "bad_xlsx"),
    "no such string": (build_workbook('<row><c t="s"><v>7</v></c></row>'), "bad_xlsx"),
    "a string that is no number": (build_workbook('<row><c t="s"><v>x</v></c></row>'), "bad_xlsx"),
    "a number that is none": (build_workbook("<row><c><v>x</v></c></row>"), "bad_xlsx"),
    "a cell too far right": (build_workbook('<row><c r="XFE1" t="str"><v>x</v></c></row>'), "bad_xlsx"),
    "a cell nowhere": (build_workbook('<row><c r="AAAAAAA1" t="str"><v>x</v></c></row>'), "bad_xlsx"),
    "no sheet": (build_workbook("", **{"xl/worksheets/sheet1.xml": ""}), "bad_xlsx"),
    "broken XML": (build_workbook("<row>"), "bad_xlsx"),
    "entities": (build_workbook("", **{"xl/worksheets/sheet1.xml": TYPED + "<worksheet>&a;</worksheet>"}), "bad_xlsx"),
    "no sheet that is shown": (build_workbook("", **{"xl/workbook.xml": "<workbook/>"}), "empty_file"),
    "a text document": (build_workbook("", **{"_rels/.rels": WORD}), "not_text"),
    "a binary workbook": (build_workbook("", **{"_rels/.rels": BINARY}), "not_text"),
    "another archive": (build_workbook("", **{"_rels/.rels": "<Relationships/>"}), "not_text"),
    "a column twice": (build_workbook(format_texts(["a", "a"])), "duplicate_column"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_parquet_file_or_spreadsheet_is_told_with_its_reason(name):
    data, code = DAMAGED[name]
    with pytest.raises(FileProblem) as caught:
        read_contents(data)
    assert caught.value.code == code


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_is_more_than_a_problem_of_the_file(data):
    whole = data.draw(st.sampled_from([BOOK, encode_parquet(ROWS)]))
    at = data.draw(st.integers(4, len(whole) - 1))
    broken = whole[:at] + data.draw(st.binary(min_size=1, max_size=8)) + whole[at + data.draw(st.integers(0, 8)) :]
    with contextlib.suppress(FileProblem):
        read_contents(broken)


# Not Chinese: as GB18030 they would become other words, so they are refused as invalid UTF-8.
OTHERS = {
    "euc-kr": "프롬프트,응답\n오늘 날씨가 어때요?,맑고 따뜻합니다. 우리는 학교에 갑니다.\n",
    "cp1251": "вопрос,ответ\nКак дела?,Хорошо, спасибо. Сегодня очень хорошая погода\n",
    "koi8-r": "вопрос,ответ\nКак дела?,Хорошо, спасибо. Сегодня очень хорошая погода\n",
    "latin-1": "question,réponse\nOù est la gare ?,À côté de l'église élevée.\n",
    "shift-jis": "質問,回答\n今日の天気は?,晴れです。とても暖かいですね。\n",
    "euc-jp": "質問,回答\n今日の天気は?,晴れです。とても暖かいですね。\n",
    "big5": "問題,回答\n今天天氣如何?,今天天氣很好。我們可以去公園走走。\n",
}


@pytest.mark.parametrize("encoding", OTHERS)
def test_another_language_is_not_taken_for_chinese(encoding):
    assert not encodings.is_chinese(OTHERS[encoding].encode(encoding))


def test_broken_utf_8_is_not_taken_for_gb18030():
    text = "提示,回答\n你好,您好！很高兴认识你。\n".encode()
    assert not encodings.is_chinese(text)
    assert [reason for _, reason in read_contents(text + b"\xff,a\n")[1][1:]] == [{"提示": "\udcff", "回答": "a"}]


def test_one_object_is_one_row_on_one_line_or_on_many():
    assert read_contents(json.dumps(ROWS[0]).encode()) == ("jsonl", [(1, ROWS[0])])
    assert read_contents(format_pretty(ROWS[0]).encode()) == ("json", [(1, ROWS[0])])


def test_one_object_of_many_lines_may_be_longer_than_what_is_read_at_once():
    row = {"prompt": "x" * limits.HEAD, "completion": "y" * 200 + "\n" * 100}
    assert read_contents(format_pretty(row).encode()) == ("json", [(1, row)])
    assert read_contents(format_pretty([row, ROWS[0]]).encode()) == ("json", [(2, row), (6, ROWS[0])])


def test_a_table_with_crlf_keeps_the_line_ends_that_stand_in_quotes():
    data = b'prompt,completion\r\n"a\r\nb","c\nd"\r\n"e\rf",\r\n'
    assert read_contents(data) == (
        "csv",
        [(2, {"prompt": "a\r\nb", "completion": "c\nd"}), (5, {"prompt": "e\rf", "completion": ""})],
    )


@pytest.mark.parametrize("text", ["a\u2028b", "a\u2029b", "a\x85b", "a\x0bb", "a\x0cb", "a\u00a0", "\ufeffa", "a\r"])
def test_only_a_line_feed_ends_a_line_and_every_other_character_is_text(text):
    row = {"prompt": text, "completion": f'"{text}", {text}'}
    assert read_contents(format_jsonl(row).encode()) == ("jsonl", [(1, row)])
    table = io.StringIO()
    csv.writer(table).writerows([row, row.values()])
    assert read_contents(table.getvalue().encode())[1][0][1] == row


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@settings(max_examples=40, deadline=None)
@given(cells=st.lists(st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\0"))] * 3), max_size=4))
def test_a_table_comes_back_to_the_byte(delimiter, cells):
    table = io.StringIO()
    csv.writer(table, delimiter=delimiter).writerows([("prompt", "response_1", "response_2"), *cells])
    rows = [row for _, row in read_contents(table.getvalue().encode())[1] if row != "second_header"]
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
    "an old spreadsheet": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "not_text", 0),
    "XLSX, cut off": (XLSX, "bad_xlsx", 0),
    "Parquet, cut off": (b"PAR1\x15\x04\x15", "bad_parquet", 0),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "unknown_file", 0),
    "a picture, gzipped": (gzip.compress(PNG), "not_text", 0),
    "JSON in UTF-16 with a mark, little end first": (format_jsonl(*ROWS).encode("utf-16"), "utf16", 0),
    "JSON in UTF-16 with a mark, big end first": (b"\xfe\xff" + format_jsonl(*ROWS).encode("utf-16-be"), "utf16", 0),
    "UTF-16 that ends within a character": (TABLE.format(",").encode("utf-16")[:-1], "utf16", 0),
    "UTF-16, little end first": (format_jsonl(*ROWS).encode("utf-16-le"), "utf16", 0),
    "UTF-16, big end first": (format_jsonl(*ROWS).encode("utf-16-be"), "utf16", 0),
    "words": (b"It was a dark and stormy night.\nIt rained.\n", "unknown_file", 0),
    "HTML": (b"<!doctype html>\n<html></html>", "unknown_file", 0),
    "an array that ends after a row": (b'[\n{"a": 1}', "cut_off", 2),
    "an array that ends after a comma": (b'[\n{"a": 1},\n', "cut_off", 3),
    "an array that ends in a row": (format_pretty(ROWS).encode()[:90], "bad_json", 8),
    "an array that ends in a text": (b'[{"a": "b', "bad_json", 1),
    "an array with a broken row": (b'[{"a": 1},\n{"a": 2},\n{"a": 1 "b": 2}]', "bad_json", 3),
    "an array without a comma": (b'[{"a": 1}\n{"a": 2}]', "bad_json", 2),
    "an array and more": (b'[{"a": 1}]\n\n[{"a": 2}]', "bad_json", 3),
    "objects of many lines, one broken": (b'{\n"a": 1\n}\n{\n"a": \n}', "bad_json", 6),
    "an array with too deep a row": (b'[{"a": 1},\n{"a": ' + b"[" * 100_000, "too_deep", 2),
    ".gz, cut off": (gzip.compress(ARRAY * 99)[:-9], "cut_off_gzip", 0),
    ".gz, damaged": (gzip.compress(ARRAY)[:20] + b"\xff\xff" + gzip.compress(ARRAY)[22:], "cut_off_gzip", 0),
    ".gz with a wrong sum": (gzip.compress(ARRAY)[:-8] + bytes(8), "cut_off_gzip", 0),
    "columns of pandas": (b'{"prompt": {"0": "Hi", "1": "Ho"}, "text": {"0": "a", "1": "b"}}', "by_columns", 0),
    "columns on many lines": (b'{\n"prompt": ["Hi", "Ho"],\n"response": ["a", "b"]\n}\n', "by_columns", 0),
    "a page of the Hub's rows": (b'{"features": [], "rows": [{"row": {"prompt": "Hi"}}]}', "rows_within", 0),
    "rows in a list": (b'{\n"data": [{"prompt": "Hi", "response": "a"}]\n}', "rows_within", 0),
    "a column twice": (b"prompt,a,a\nHi,b,c\n", "duplicate_column", 1),
    "more columns than a spreadsheet has": (",".join(map(str, range(16_385))).encode(), "too_many_columns", 1),
    "a quote that is never closed": (b'prompt,completion\nHi,Hello!\nHi,"Hello!\nHi,Hello!\n', "bad_table", 3),
    "a text after a quote": (b'prompt,completion\nHi,Hello!\nHi,"Hello" she said\n', "bad_table", 3),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_file_that_cannot_be_read_is_told_with_reason_and_line(name):
    data, code, line = PROBLEMS[name]
    with pytest.raises(FileProblem) as caught:
        read_contents(data)
    assert (caught.value.code, caught.value.line) == (code, line)
    caught.value.detail.encode()


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Hi", "responses": ["a", "b"], "models": ["x", "y"]},
        {"prompt": [{"role": "user", "content": "Hi"}], "completion": [{"role": "assistant", "content": "a"}]},
        {"data": {"prompt": "Hi"}, "annotations": [{"result": []}]},
    ],
)
def test_the_only_row_of_a_file_is_not_taken_for_a_document(row):
    assert read_contents(json.dumps(row).encode())[1] == [(1, row)]


def test_a_gz_that_breaks_far_behind_its_beginning_is_told_after_its_rows():
    """Not earlier: a file is read as a stream."""
    rows = "".join(json.dumps({"a": f"{i:x}" * 300}) + "\n" for i in range(9000)).encode()
    _, found = read_items(io.BytesIO(gzip.compress(rows)[:-20]))
    assert next(found).line == 1
    with pytest.raises(FileProblem, match="cut_off_gzip"):
        list(found)


def test_a_gz_that_swells_as_no_text_does_is_refused(monkeypatch):
    monkeypatch.setattr(limits, "BOMB_FROM", 1 << 20)
    varied = format_jsonl(*({"prompt": f"{i} {i * i}", "completion": f"{i:b} {i:o}"} for i in range(40_000))).encode()
    assert len(varied) > 2 << 20
    assert len(read_contents(gzip.compress(varied))[1]) == 40_000
    with pytest.raises(FileProblem, match="swells"):
        read_contents(gzip.compress(format_jsonl({"prompt": "x" * 1000}).encode() * 9000))


def test_every_reason_to_refuse_a_file_is_in_the_table():
    elsewhere = {"row_too_long", "swells", "too_packed", "unknown_shape", "no_rows", "no_such_column"}
    elsewhere |= {"counting", "labels", "sign"}  # see test_columns.py and test_reading.py
    assert {code for _, code, _ in PROBLEMS.values()} | elsewhere == set(reasons.FILE)


DEEP = '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"

# (the text or bytes, [(line, reason)] of the refused rows; the rest is read)
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
    _, rows = read_contents(data if isinstance(data, bytes) else data.encode())
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
    (build_workbook(format_texts(["prompt", "completion"], ["Hi", "a"], ["Hi", "_x0000_"])), 3, "completion"),
    (build_workbook(format_texts(["prompt", "completion"], ["Hi", "a"], ["_xD83D_", "a"])), 3, "prompt"),
    (encode_parquet([{"prompt": "Hi", "completion": b"a"}, {"prompt": "Hi", "completion": b"\xff"}]), 2, "completion"),
    (encode_parquet([{"prompt": "Hi", "completion": "\0"}]), 1, "completion"),
    (b"prompt,completion\nHi,Hello!\n\xb0\xad,Hello!\n", 3, "prompt"),  # EUC-KR
    ("prompt,completion\nHi,您好\n".encode("gb18030") + b"\xff\xff,Hello!\n", 3, "prompt"),
    ("prompt,completion\nHi,Hello!\nHi,a".encode("utf-16") + b"\x3d\xd8", 3, "completion"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "line", "field"), UNSTORABLE)
def test_nul_and_half_of_a_surrogate_pair_are_refused_with_line_and_field(data, line, field):
    found = list(read_items(io.BytesIO(data))[1])
    assert detect_format(Facts.collect(found), "auto")[0] == "sft"
    reading = choose_reading(Facts.collect(found), Options())
    read = [(item, reading.read(item)) for item in found]
    assert [(i.line, row.reason, row.field) for i, row in read if isinstance(row, Refusal)] == [
        (line, "bad_unicode", field)
    ]


def test_a_pair_of_surrogates_written_as_escapes_is_one_character():
    assert read_contents(rb'{"a": "\ud83d\ude00"}') == ("jsonl", [(1, {"a": "😀"})])


@pytest.mark.parametrize("key", [r"\ud83d", "é".encode("latin-1").decode("utf-8", "surrogateescape")])
def test_a_field_whose_name_cannot_be_stored_does_not_hinder_telling_it(key):
    found = list(read_items(io.BytesIO(f'{{"{key}": 1}}'.encode("utf-8", "surrogateescape")))[1])
    with pytest.raises(FileProblem, match="unknown_shape") as caught:
        detect_format(Facts.collect(found), "auto")
    caught.value.detail.encode()


@pytest.fixture
def _short_rows(monkeypatch):
    monkeypatch.setattr(limits, "LONGEST_ROW", 1000)


@pytest.mark.usefixtures("_short_rows")
def test_a_row_that_is_too_long_is_refused_and_the_next_one_read():
    long, short = {"a": "x" * 5000}, {"a": "y" * 900}
    assert read_contents(format_jsonl(short, long, short).encode()) == (
        "jsonl",
        [(1, short), (2, "row_too_long"), (3, short)],
    )


@pytest.mark.usefixtures("_short_rows")
@pytest.mark.parametrize("end", ["", '"', '"\n'])
def test_a_table_with_too_long_a_cell_is_told(end):
    for text in ("x" * 5000, "x\n" * 5000):
        with pytest.raises(FileProblem) as caught:
            read_contents(f'a,b\n1,2\n3,"{text}{end}'.encode())
        assert (caught.value.code, caught.value.line) == ("row_too_long", 3)


@pytest.mark.usefixtures("_short_rows")
def test_an_array_with_too_long_a_row_is_told():
    with pytest.raises(FileProblem) as caught:
        read_contents(b'[{"a": 1},\n{"a": "' + b"x" * (2 * limits.HEAD))
    assert (caught.value.code, caught.value.line) == ("row_too_long", 2)


@pytest.mark.usefixtures("_short_rows")
def test_a_mistake_in_an_array_is_called_a_mistake_however_long_the_file():
    with pytest.raises(FileProblem) as caught:
        read_contents(b'[{"a": 1},\n{"a": \n1 2},\n' + b'{"a": 1},\n' * limits.HEAD)
    assert (caught.value.code, caught.value.line) == ("bad_json", 3)


class EndlessFile(io.RawIOBase):
    """A generated file of a given size that is never in memory as a whole."""

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


def measure_stream_peak(first, again, last, size):
    """Peak memory in bytes while reading a file of this size."""
    stream = io.BufferedReader(EndlessFile(first, again, last, size))
    tracemalloc.start()
    for _ in read_items(stream)[1]:
        pass
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


ROW = json.dumps({"prompt": "x" * 9_000, "completion": "y" * 11_000}).encode()


def measure_peak(data):
    """Peak of Python's memory while reading this file."""
    tracemalloc.start()
    assert sum(1 for _ in read_items(io.BytesIO(data))[1]) > 0
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


@pytest.mark.parametrize("kind", ["inline", "shared", "parquet"])
def test_memory_does_not_grow_with_a_spreadsheet_or_parquet_file(kind):
    def build_file(count):
        said = [(f"{number} {number * number:b} " * 20, f"{number:x}" * 40) for number in range(count)]
        if kind == "parquet":
            return encode_parquet([{"prompt": prompt, "answer": answer} for prompt, answer in said])
        if kind == "inline":
            return build_workbook(format_texts(["prompt", "answer"], *said))
        places = "".join(f'<row><c t="s"><v>{2 * n}</v></c><c t="s"><v>{2 * n + 1}</v></c></row>' for n in range(count))
        return build_workbook(places, "".join(f"<si><t>{text}</t></si>" for row in said for text in row))

    small, large = measure_peak(build_file(600)), measure_peak(build_file(6000))
    assert large < max(1.5 * small, 2_000_000) < 8_000_000


ENDLESS = {
    "jsonl": (ROW + b"\n", ROW + b"\n", ROW),
    "json": (b"[" + ROW, b",\n" + ROW, b"]"),
    "csv": (b"prompt,completion\n", b'%s,"%s\n%s"\n' % (b"x" * 9_000, b"y" * 9_000, b"z" * 2_000), b""),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_memory_does_not_grow_with_the_file(kind):
    small, large = (measure_stream_peak(*ENDLESS[kind], size) for size in (6_000_000, 60_000_000))
    assert large < 1.2 * small < 20_000_000


def test_memory_does_not_grow_with_a_gzipped_file():
    data = gzip.compress((ROW + b"\n") * 3000, 1)
    tracemalloc.start()
    assert sum(1 for _ in read_items(io.BytesIO(data))[1]) == 3000
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_memory_does_not_grow_with_one_endless_line(monkeypatch):
    """A row beyond the limit is skipped in pieces; a table or an array ends there."""
    monkeypatch.setattr(limits, "LONGEST_ROW", 1 << 20)
    assert measure_stream_peak(b'{"a": "', b"x" * 10_000, b'"}\n', 60_000_000) < 10_000_000
    for first in (b"a,b\n", b'a,b\n"', b'[{"a": "'):
        with pytest.raises(FileProblem, match="row_too_long"):
            measure_stream_peak(first, b"x" * 10_000, b"", 60_000_000)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
        tracemalloc.stop()

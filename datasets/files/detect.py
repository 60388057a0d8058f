"""What a file holds: JSONL, a JSON array (or values one after the other), CSV, TSV, Parquet or .xlsx, each optionally
gzipped.

Told apart by content. Reading streams; memory holds one row and a buffer, never the file. Text is UTF-8, or in a
table UTF-16 with a mark or GB18030, as spreadsheets save it.
"""

import codecs
import csv
import gzip
import io
import json
import shutil
import tempfile
import zlib
from collections import Counter
from dataclasses import dataclass

import msgspec

from datasets.files.encodings import UTF16, other_encoding
from datasets.formats.rows import Refused, Table

HEAD = 1 << 20
LONGEST_ROW = 16 << 20  # bytes; a row beyond is refused, and memory stays bounded
MOST_COLUMNS = 16_384  # of a table, as in .xlsx
SWELLS_FROM, SWELLS_AT_MOST = 64 << 20, 200  # a .gz may hold so much in any case, beyond it so many times its size
BLANK = " \t\r\n"


class FileProblem(ValueError):
    """A file that is not what it claims, or cannot be read. `code` is a reason of docs/formats.md."""

    file = ""

    def __init__(self, code, detail="", line=0):
        super().__init__(code)
        self.code, self.detail, self.line = code, detail.encode("utf-8", "backslashreplace").decode(), line


@dataclass(slots=True)
class Item:
    """One row as it stands in the file: the line where it begins, `value` an object or the refusal, `raw` what to
    show of it, `number` its place among the file's rows (from 1)."""

    line: int
    value: dict | Refused
    raw: str | dict | list = ""
    number: int = 0


class Chained(io.RawIOBase):
    """A stream with what was read of it put back in front."""

    def __init__(self, head, stream):
        self.head, self.stream, self.count = head, stream, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        chunk, self.head = self.head[: len(buffer)], self.head[len(buffer) :]
        chunk = chunk or self.stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self.count += len(chunk)
        return len(chunk)


class Inflated:
    """What a gzipped stream holds; one that swells beyond any text is refused before it fills the disk."""

    def __init__(self, packed):
        self.packed, self.count = packed, 0
        self.plain = gzip.GzipFile(fileobj=io.BufferedReader(packed))

    def read(self, size):
        chunk = self.plain.read(size)
        self.count += len(chunk)
        if swells(self.count, self.packed.count):
            raise FileProblem("swells", f"{self.count // self.packed.count} : 1")
        return chunk


def swells(size, packed):
    return size > max(SWELLS_FROM, SWELLS_AT_MOST * packed)


def may_swell(size, packed):
    """Refuse a table that unpacks to so much more than any text does."""
    if swells(size, packed):
        raise FileProblem("too_packed", f"{size // max(packed, 1)} : 1")


class Recoded:
    """A stream of another encoding, as UTF-8. What is no text in it is none in UTF-8 either: readers refuse it."""

    def __init__(self, stream, encoding, errors):
        self.stream, self.errors, self.rest = stream, errors, b""
        self.decode = codecs.getincrementaldecoder(encoding)(errors).decode

    def read(self, size):
        while len(self.rest) < size:
            chunk = self.stream.read(size)
            try:
                self.rest += self.decode(chunk, final=not chunk).encode("utf-8", self.errors)
            except UnicodeDecodeError as error:
                raise FileProblem("utf16", str(error)) from None
            if not chunk:
                break
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken


def items(stream):
    """(kind, iterator of Item) of a binary stream; kind is `jsonl`, `json`, `csv`, `tsv`, `parquet` or `xlsx`. Raises
    FileProblem."""
    head = stream.read(HEAD)
    if head.startswith(b"\x1f\x8b"):
        stream = Inflated(Chained(head, stream))
        head = unzipped(stream.read, HEAD)
    if head.startswith((b"PAR1", b"PK\x03\x04")):
        kind, read = ("parquet", columns) if head.startswith(b"PAR1") else ("xlsx", sheet)
        return kind, unbroken(read(unzipped(whole, head, stream)))
    if encoding := other_encoding(head):
        stream = Recoded(Chained(head, stream), *encoding)
        head = unzipped(stream.read, HEAD)
    encoded_as(head)
    head = head.removeprefix(codecs.BOM_UTF8)
    body = io.BufferedReader(Chained(head, stream), HEAD)
    kind, read, *options = told_apart(head)
    return kind, unbroken(read(body, *options))


def whole(head, stream):
    """The stream as a file that can be read from any place: itself where it is one, else a copy on disk."""
    if getattr(stream, "seekable", bool)() and stream.tell() == len(head):
        return stream
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - it goes when nobody reads it any more
    shutil.copyfileobj(io.BufferedReader(Chained(head, stream)), copy)
    return copy


def unzipped(read, *args):
    try:
        return read(*args)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileProblem("cut_off_gzip", str(error)) from None


def unbroken(rows):
    """The rows, numbered, with a broken .gz told as such."""
    try:
        for number, item in enumerate(rows, 1):
            item.number = number
            yield item
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileProblem("cut_off_gzip", str(error)) from None


def encoded_as(head):
    """Refuse what is no UTF-8 text from the start."""
    if not head.strip(b" \t\r\n\xef\xbb\xbf"):
        raise FileProblem("empty_file")
    start = head[:4096]
    if start.startswith(UTF16) or (len(start) > 8 and (start[1:9:2] == bytes(4) or start[0:8:2] == bytes(4))):
        raise FileProblem("utf16")
    first_line = start.lstrip(b" \t\r\n\xef\xbb\xbf").split(b"\n", 1)[0]
    if first_line[:1] not in (b"{", b"["):
        try:
            text = codecs.getincrementaldecoder("utf-8")().decode(first_line)
        except UnicodeDecodeError:
            raise FileProblem("not_text") from None
        if "\x00" in text:
            raise FileProblem("not_text")


def told_apart(head):
    """(kind, reader, …) by what the file begins with."""
    text = head.decode("utf-8", "surrogateescape").lstrip(BLANK)
    if text.startswith("["):
        return "json", json_document
    if text.startswith("{"):
        first, newline, _ = text.partition("\n")
        more_follows = len(head) > HEAD - len(codecs.BOM_UTF8) - 1
        document = newline and not parses(first) and begins_document(text, more_follows)
        return ("json", json_document) if document else ("jsonl", jsonl)
    header = text.splitlines()[0]
    delimiter = max("\t,;", key=lambda mark: (header.count(mark), mark == "\t"))
    if delimiter not in header:
        raise FileProblem("unknown_file", header[:80])
    return ("tsv" if delimiter == "\t" else "csv"), table, delimiter


def parses(text):
    try:
        lenient.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def begins_document(text, more_follows):
    """Whether a value that spans lines begins here: it parses, or nothing is wrong with it but that it goes on."""
    try:
        lenient.raw_decode(text)
    except json.JSONDecodeError as error:
        return more_follows and goes_on(text, error)
    except RecursionError:
        return False
    return True


def goes_on(text, error):
    """Whether a text that is no JSON may be the beginning of one."""
    return error.msg.startswith("Unterminated string") or error.pos > len(text) - 16


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


quick = msgspec.json.Decoder().decode
decoder = json.JSONDecoder(parse_constant=_no_constant)
lenient = json.JSONDecoder(parse_int=str)  # finds the end of a value that is refused: NaN, a number of 5,000 digits


def as_object(line, text):
    """The JSON object that a line (bytes, and its text) is, or the refusal. What the quick decoder does not take is
    looked at by the one that knows what is wrong, and takes a few things more: half a surrogate, a number of any size.
    """
    try:
        value = quick(line)
    except (ValueError, RecursionError):
        try:
            value = decoder.decode(text)
        except RecursionError:
            return Refused("too_deep")
        except ValueError as error:
            return Refused("bad_json", "", str(error))
    return value if isinstance(value, dict) else Refused("not_an_object", "", type(value).__name__)


def jsonl(body):
    """One object a line. Lines end at \\n alone: U+2028 and its like are text."""
    number = 0
    while line := body.readline(LONGEST_ROW + 1):
        number += 1
        if len(line) > LONGEST_ROW:
            while line and not line.endswith(b"\n"):
                line = body.readline(LONGEST_ROW)
            yield Item(number, Refused("row_too_long", "", f"{LONGEST_ROW >> 20} MiB"))
            continue
        text = line.decode("utf-8", "surrogateescape").strip(BLANK)
        if text:
            yield Item(number, as_object(line, text), text)


class Window:
    """Text of a stream, as far as it is needed: what was taken is dropped, lines are counted."""

    def __init__(self, body):
        self.body, self.decode = body, codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self.text, self.at, self.line, self.ended = "", 0, 1, False

    def more(self, size=HEAD):
        """Read on; False at the end."""
        if self.ended:
            return False
        chunk = self.body.read(size)
        self.ended = not chunk
        self.text, self.at = self.text[self.at :] + self.decode(chunk, final=self.ended), 0
        return True

    def take(self, end):
        """The text up to `end`, which is passed."""
        taken, self.at = self.text[self.at : end], end
        self.line += taken.count("\n")
        return taken

    def peek(self):
        """The next character that is no blank, or "" at the end."""
        while True:
            rest = self.text[self.at : self.at + 4096]
            kept = rest.lstrip(BLANK)
            self.take(self.at + len(rest) - len(kept))
            if kept:
                return kept[0]
            if not rest and not self.more():
                return ""

    def value(self):
        """(value or the refusal, raw text) of the JSON value that begins here."""
        refused = None
        while True:
            try:
                value, end = (lenient if refused else decoder).raw_decode(self.text, self.at)
                return refused or value, self.take(end)
            except RecursionError:
                raise FileProblem("too_deep", line=self.line) from None
            except json.JSONDecodeError as error:
                self.go_on(error)
            except ValueError as error:
                refused = Refused("bad_json", "", str(error))

    def go_on(self, error):
        """Read on where a value may only be cut off by the window's end."""
        cut_off = goes_on(self.text, error)
        if cut_off and len(self.text) - self.at > LONGEST_ROW:
            raise FileProblem("row_too_long", f"{LONGEST_ROW >> 20} MiB", self.line) from None
        if not cut_off or not self.more(max(HEAD, len(self.text) - self.at)):
            line = self.line + self.text.count("\n", self.at, error.pos)
            raise FileProblem("bad_json", error.msg, line) from None


def json_document(body):
    """The elements of one array, or values that follow each other; the line is where each begins."""
    window = Window(body)
    array = window.peek() == "["
    if array:
        window.take(window.at + 1)
    while char := window.peek():
        if array and char == "]":
            window.take(window.at + 1)
            if window.peek():
                raise FileProblem("bad_json", "text after the array's end", window.line)
            return
        line = window.line
        value, raw = window.value()
        known = isinstance(value, dict | Refused)
        yield Item(line, value if known else Refused("not_an_object", "", type(value).__name__), raw)
        if array and window.peek() == ",":
            window.take(window.at + 1)
        elif array and window.peek() not in ("]", ""):
            raise FileProblem("bad_json", "no comma between two rows", window.line)
    if array:
        raise FileProblem("cut_off", line=window.line)


def table(body, delimiter):
    """CSV or TSV with a header; the line is where a row begins. Bytes that are no UTF-8 come as lone surrogates,
    which readers refuse with their field."""
    csv.field_size_limit(LONGEST_ROW)
    text = io.TextIOWrapper(body, "utf-8", errors="surrogateescape", newline="")
    yield from under_header(table_rows(csv.reader(lines(text), delimiter=delimiter, strict=True)))


def table_rows(reader):
    """(line, cells) of each row."""
    begin = 1
    try:
        for cells in reader:
            line, begin = begin, reader.line_num + 1
            yield line, cells
    except csv.Error as error:
        code = "row_too_long" if "field limit" in str(error) else "bad_table"
        raise FileProblem(code, str(error), begin) from None


def under_header(rows):
    """The Items of (line, cells): the first row that is not empty has the names."""
    header = []
    for line, cells in rows:
        if header and any(cells):
            ragged = len(cells) != len(header)
            yield Item(line, table_row(header, cells), cells if ragged else dict(zip(header, cells, strict=True)))
        elif any(cells):
            header = table_header(cells, line)


def sheet(file):
    """The first sheet of a workbook, as a table; the line is the row's number in it."""
    from datasets.files import xlsx  # here: it builds on this module

    yield from under_header(as_wide_as_the_first(xlsx.rows(file)))


def as_wide_as_the_first(rows):
    """Rows that end at their last filled cell, with empty ones up to where the first row ends."""
    width = 0
    for line, cells in rows:
        width = width or len(cells)
        yield line, cells + [""] * (width - len(cells))


def columns(file):
    """The rows of a Parquet file; the line is the row's number in it."""
    from datasets.files import parquet  # here: it builds on this module

    yield from parquet.rows(file)


def lines(text):
    """The lines of a text, of which none may be so long that memory would not hold it."""
    number = 0
    while line := text.readline(LONGEST_ROW + 1):
        number += 1
        if len(line) > LONGEST_ROW:
            raise FileProblem("row_too_long", f"{LONGEST_ROW >> 20} MiB", number)
        yield line


def table_header(cells, line):
    """The names of a table's columns."""
    header = [name.strip() for name in cells]
    check_columns([name for name in header if name], len(header), line)
    return header


def check_columns(names, columns, line=0):
    """Refuse a table of more columns than a spreadsheet has, or with the same name twice."""
    if columns > MOST_COLUMNS:
        raise FileProblem("too_many_columns", f"{columns} > {MOST_COLUMNS}", line)
    times = Counter(names)
    if twice := next((name for name in names if times[name] > 1), None):
        raise FileProblem("duplicate_column", twice, line)


def table_row(header, cells):
    if len(cells) != len(header):
        return Refused("ragged_row", "", f"{len(cells)} / {len(header)}")
    if [cell.strip() for cell in cells] == header:
        return Refused("second_header")
    return Table(zip(header, cells, strict=True))

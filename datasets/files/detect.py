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

from datasets.files.encodings import UTF16, find_encoding
from datasets.formats.rows import Refusal, TableRow

HEAD = 1 << 20
LONGEST_ROW = 16 << 20  # bytes; a row beyond is refused, and memory stays bounded
MOST_COLUMNS = 16_384  # of a table, as in .xlsx
BOMB_FROM, BOMB_RATIO = 64 << 20, 200  # a .gz may hold so much in any case, beyond it so many times its size
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
    value: dict | Refusal
    raw: str | dict | list = ""
    number: int = 0


class PushbackStream(io.RawIOBase):
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


class GunzipStream:
    """What a gzipped stream holds; one that swells beyond any text is refused before it fills the disk."""

    def __init__(self, packed):
        self.packed, self.count = packed, 0
        self.plain = gzip.GzipFile(fileobj=io.BufferedReader(packed))

    def read(self, size):
        chunk = self.plain.read(size)
        self.count += len(chunk)
        if is_bomb(self.count, self.packed.count):
            raise FileProblem("swells", f"{self.count // self.packed.count} : 1")
        return chunk


def is_bomb(size, packed):
    return size > max(BOMB_FROM, BOMB_RATIO * packed)


def refuse_bomb(size, packed):
    """Refuse a table that unpacks to so much more than any text does."""
    if is_bomb(size, packed):
        raise FileProblem("too_packed", f"{size // max(packed, 1)} : 1")


class TranscodedStream:
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
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece


def read_items(stream):
    """(kind, iterator of Item) of a binary stream; kind is `jsonl`, `json`, `csv`, `tsv`, `parquet` or `xlsx`. Raises
    FileProblem."""
    head = stream.read(HEAD)
    if head.startswith(b"\x1f\x8b"):
        stream = GunzipStream(PushbackStream(head, stream))
        head = read_unzipped(stream.read, HEAD)
    if head.startswith((b"PAR1", b"PK\x03\x04")):
        kind, read = ("parquet", read_parquet) if head.startswith(b"PAR1") else ("xlsx", read_sheet)
        return kind, iter_numbered(read(read_unzipped(ensure_seekable, head, stream)))
    if encoding := find_encoding(head):
        stream = TranscodedStream(PushbackStream(head, stream), *encoding)
        head = read_unzipped(stream.read, HEAD)
    check_encoding(head)
    head = head.removeprefix(codecs.BOM_UTF8)
    body = io.BufferedReader(PushbackStream(head, stream), HEAD)
    kind, read, *options = sniff(head)
    return kind, iter_numbered(read(body, *options))


def ensure_seekable(head, stream):
    """The stream as a file that can be read from any place: itself where it is one, else a copy on disk."""
    if getattr(stream, "seekable", bool)() and stream.tell() == len(head):
        return stream
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - it goes when nobody reads it any more
    shutil.copyfileobj(io.BufferedReader(PushbackStream(head, stream)), copy)
    return copy


def read_unzipped(read, *args):
    try:
        return read(*args)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileProblem("cut_off_gzip", str(error)) from None


def iter_numbered(rows):
    """The rows, numbered, with a broken .gz told as such."""
    try:
        for number, item in enumerate(rows, 1):
            item.number = number
            yield item
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileProblem("cut_off_gzip", str(error)) from None


def check_encoding(head):
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


def sniff(head):
    """(kind, reader, …) by what the file begins with."""
    text = head.decode("utf-8", "surrogateescape").lstrip(BLANK)
    if text.startswith("["):
        return "json", read_json
    if text.startswith("{"):
        first, newline, _ = text.partition("\n")
        more_follows = len(head) > HEAD - len(codecs.BOM_UTF8) - 1
        document = newline and not is_json(first) and is_document_start(text, more_follows)
        return ("json", read_json) if document else ("jsonl", read_jsonl)
    header = text.splitlines()[0]
    delimiter = max("\t,;", key=lambda mark: (header.count(mark), mark == "\t"))
    if delimiter not in header:
        raise FileProblem("unknown_file", header[:80])
    return ("tsv" if delimiter == "\t" else "csv"), read_table, delimiter


def is_json(text):
    try:
        lenient_decoder.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def is_document_start(text, more_follows):
    """Whether a value that spans lines begins here: it parses, or nothing is wrong with it but that it goes on."""
    try:
        lenient_decoder.raw_decode(text)
    except json.JSONDecodeError as error:
        return more_follows and is_cut_off(text, error)
    except RecursionError:
        return False
    return True


def is_cut_off(text, error):
    """Whether a text that is no JSON may be the beginning of one."""
    return error.msg.startswith("Unterminated string") or error.pos > len(text) - 16


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


decode_quickly = msgspec.json.Decoder().decode
decoder = json.JSONDecoder(parse_constant=_refuse_constant)
# Finds the end of a value that is refused: NaN, a number of 5,000 digits.
lenient_decoder = json.JSONDecoder(parse_int=str)


def decode_line(line, text):
    """The JSON object that a line (bytes, and its text) is, or the refusal. What the quick decoder does not take is
    looked at by the one that knows what is wrong, and takes a few things more: half a surrogate, a number of any size.
    """
    try:
        value = decode_quickly(line)
    except (ValueError, RecursionError):
        try:
            value = decoder.decode(text)
        except RecursionError:
            return Refusal("too_deep")
        except ValueError as error:
            return Refusal("bad_json", "", str(error))
    return value if isinstance(value, dict) else Refusal("not_an_object", "", type(value).__name__)


def read_jsonl(body):
    """One object a line. Lines end at \\n alone: U+2028 and its like are text."""
    number = 0
    while line := body.readline(LONGEST_ROW + 1):
        number += 1
        if len(line) > LONGEST_ROW:
            while line and not line.endswith(b"\n"):
                line = body.readline(LONGEST_ROW)
            yield Item(number, Refusal("row_too_long", "", f"{LONGEST_ROW >> 20} MiB"))
            continue
        text = line.decode("utf-8", "surrogateescape").strip(BLANK)
        if text:
            yield Item(number, decode_line(line, text), text)


class Window:
    """Text of a stream, as far as it is needed: what was taken is dropped, lines are counted."""

    def __init__(self, body):
        self.body, self.decode = body, codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self.text, self.at, self.line, self.ended = "", 0, 1, False

    def read_more(self, size=HEAD):
        """Read on; False at the end."""
        if self.ended:
            return False
        chunk = self.body.read(size)
        self.ended = not chunk
        self.text, self.at = self.text[self.at :] + self.decode(chunk, final=self.ended), 0
        return True

    def take(self, end):
        """The text up to `end`, which is passed."""
        piece, self.at = self.text[self.at : end], end
        self.line += piece.count("\n")
        return piece

    def peek(self):
        """The next character that is no blank, or "" at the end."""
        while True:
            rest = self.text[self.at : self.at + 4096]
            remainder = rest.lstrip(BLANK)
            self.take(self.at + len(rest) - len(remainder))
            if remainder:
                return remainder[0]
            if not rest and not self.read_more():
                return ""

    def read_value(self):
        """(value or the refusal, raw text) of the JSON value that begins here."""
        refusal = None
        while True:
            try:
                value, end = (lenient_decoder if refusal else decoder).raw_decode(self.text, self.at)
                return refusal or value, self.take(end)
            except RecursionError:
                raise FileProblem("too_deep", line=self.line) from None
            except json.JSONDecodeError as error:
                self.extend(error)
            except ValueError as error:
                refusal = Refusal("bad_json", "", str(error))

    def extend(self, error):
        """Read on where a value may only be cut off by the window's end."""
        cut_off = is_cut_off(self.text, error)
        if cut_off and len(self.text) - self.at > LONGEST_ROW:
            raise FileProblem("row_too_long", f"{LONGEST_ROW >> 20} MiB", self.line) from None
        if not cut_off or not self.read_more(max(HEAD, len(self.text) - self.at)):
            line = self.line + self.text.count("\n", self.at, error.pos)
            raise FileProblem("bad_json", error.msg, line) from None


def read_json(body):
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
        value, raw = window.read_value()
        known = isinstance(value, dict | Refusal)
        yield Item(line, value if known else Refusal("not_an_object", "", type(value).__name__), raw)
        if array and window.peek() == ",":
            window.take(window.at + 1)
        elif array and window.peek() not in ("]", ""):
            raise FileProblem("bad_json", "no comma between two rows", window.line)
    if array:
        raise FileProblem("cut_off", line=window.line)


def read_table(body, delimiter):
    """CSV or TSV with a header; the line is where a row begins. Bytes that are no UTF-8 come as lone surrogates,
    which readers refuse with their field."""
    csv.field_size_limit(LONGEST_ROW)
    text = io.TextIOWrapper(body, "utf-8", errors="surrogateescape", newline="")
    yield from iter_table_items(iter_rows(csv.reader(iter_lines(text), delimiter=delimiter, strict=True)))


def iter_rows(reader):
    """(line, cells) of each row."""
    begin = 1
    try:
        for cells in reader:
            line, begin = begin, reader.line_num + 1
            yield line, cells
    except csv.Error as error:
        code = "row_too_long" if "field limit" in str(error) else "bad_table"
        raise FileProblem(code, str(error), begin) from None


def iter_table_items(rows):
    """The Items of (line, cells): the first row that is not empty has the names."""
    header = []
    for line, cells in rows:
        if header and any(cells):
            ragged = len(cells) != len(header)
            yield Item(line, build_row(header, cells), cells if ragged else dict(zip(header, cells, strict=True)))
        elif any(cells):
            header = parse_header(cells, line)


def read_sheet(file):
    """The first sheet of a workbook, as a table; the line is the row's number in it."""
    from datasets.files import xlsx  # here: it builds on this module

    yield from iter_table_items(pad_rows(xlsx.read_rows(file)))


def pad_rows(rows):
    """Rows that end at their last filled cell, with empty ones up to where the first row ends."""
    width = 0
    for line, cells in rows:
        width = width or len(cells)
        yield line, cells + [""] * (width - len(cells))


def read_parquet(file):
    """The rows of a Parquet file; the line is the row's number in it."""
    from datasets.files import parquet  # here: it builds on this module

    yield from parquet.read_items(file)


def iter_lines(text):
    """The lines of a text, of which none may be so long that memory would not hold it."""
    number = 0
    while line := text.readline(LONGEST_ROW + 1):
        number += 1
        if len(line) > LONGEST_ROW:
            raise FileProblem("row_too_long", f"{LONGEST_ROW >> 20} MiB", number)
        yield line


def parse_header(cells, line):
    """The names of a table's columns."""
    header = [name.strip() for name in cells]
    check_columns([name for name in header if name], len(header), line)
    return header


def check_columns(names, count, line=0):
    """Refuse a table of more columns than a spreadsheet has, or with the same name twice."""
    if count > MOST_COLUMNS:
        raise FileProblem("too_many_columns", f"{count} > {MOST_COLUMNS}", line)
    times = Counter(names)
    if duplicate := next((name for name in names if times[name] > 1), None):
        raise FileProblem("duplicate_column", duplicate, line)


def build_row(header, cells):
    if len(cells) != len(header):
        return Refusal("ragged_row", "", f"{len(cells)} / {len(header)}")
    if [cell.strip() for cell in cells] == header:
        return Refusal("second_header")
    return TableRow(zip(header, cells, strict=True))

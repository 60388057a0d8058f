"""What a file holds: JSONL, a JSON array (or values one after the other), CSV or TSV, each optionally gzipped.

Told apart by content. Reading streams; memory holds one row and a buffer, never the file.
"""

import codecs
import csv
import gzip
import io
import json
import zlib
from dataclasses import dataclass

from datasets.formats.rows import Refused, Table

HEAD = 1 << 20
LONGEST_ROW = 16 << 20  # bytes; a row beyond is refused, and memory stays bounded
BLANK = " \t\r\n"


class FileProblem(ValueError):
    """A file that is not what it claims, or cannot be read. `code` is a reason of docs/formats.md."""

    file = ""

    def __init__(self, code, detail="", line=0):
        super().__init__(code)
        self.code, self.detail, self.line = code, detail, line


@dataclass
class Item:
    """One row as it stands in the file: the line where it begins, `value` an object or the refusal, `raw` what to
    show of it, `number` its place among the file's rows (from 1)."""

    line: int
    value: dict | Refused
    raw: str | dict = ""
    number: int = 0


class Chained(io.RawIOBase):
    """A stream with what was read of it put back in front."""

    def __init__(self, head, stream):
        self.head, self.stream = head, stream

    def readable(self):
        return True

    def readinto(self, buffer):
        chunk, self.head = self.head[: len(buffer)], self.head[len(buffer) :]
        chunk = chunk or self.stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def items(stream):
    """(kind, iterator of Item) of a binary stream; kind is `jsonl`, `json`, `csv` or `tsv`. Raises FileProblem."""
    head = stream.read(HEAD)
    if head.startswith(b"\x1f\x8b"):
        stream = gzip.GzipFile(fileobj=io.BufferedReader(Chained(head, stream)))
        head = unzipped(stream.read, HEAD)
    encoded_as(head)
    head = head.removeprefix(codecs.BOM_UTF8)
    body = io.BufferedReader(Chained(head, stream), HEAD)
    kind, read, *options = told_apart(head)
    return kind, unbroken(read(body, *options))


def unzipped(read, size):
    try:
        return read(size)
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
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or (
        len(start) > 8 and (start[1:9:2] == bytes(4) or start[0:8:2] == bytes(4))
    ):
        raise FileProblem("utf16")
    if b"\x00" in start:
        raise FileProblem("not_text")
    first_line = start.split(b"\n", 1)[0]
    if start.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] not in (b"{", b"["):
        try:
            codecs.getincrementaldecoder("utf-8")().decode(first_line)
        except UnicodeDecodeError:
            raise FileProblem("not_text") from None


def told_apart(head):
    """(kind, reader, …) by what the file begins with."""
    text = head.decode("utf-8", "surrogateescape").lstrip(BLANK)
    if text.startswith("["):
        return "json", json_document
    if text.startswith("{"):
        first, newline, _ = text.partition("\n")
        return ("json", json_document) if newline and not parses(first) and begins_document(text) else ("jsonl", jsonl)
    header = text.splitlines()[0]
    delimiter = max("\t,;", key=lambda mark: (header.count(mark), mark == "\t"))
    if delimiter not in header:
        raise FileProblem("unknown_file", header[:80])
    return ("tsv" if delimiter == "\t" else "csv"), table, delimiter


def parses(text):
    try:
        decoder.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def begins_document(text):
    """Whether a value that spans lines begins here: it parses, or nothing is wrong with it but its length."""
    try:
        decoder.raw_decode(text)
    except json.JSONDecodeError as error:
        return len(text) >= HEAD // 2 and error.pos > len(text) - 100
    except (ValueError, RecursionError):
        return False
    return True


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


decoder = json.JSONDecoder(parse_constant=_no_constant)


def as_object(text):
    """The JSON object that a text is, or the refusal."""
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
            yield Item(number, as_object(text), text)


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
        while True:
            try:
                value, end = decoder.raw_decode(self.text, self.at)
            except RecursionError:
                raise FileProblem("too_deep", line=self.line) from None
            except ValueError as error:
                if len(self.text) - self.at > LONGEST_ROW:
                    raise FileProblem("row_too_long", f"{LONGEST_ROW >> 20} MiB", self.line) from None
                if not self.more(max(HEAD, len(self.text) - self.at)):
                    at = getattr(error, "lineno", 1) - 1 + self.line if self.at == 0 else self.line
                    raise FileProblem("bad_json", getattr(error, "msg", str(error)), at) from None
                continue
            return value, self.take(end)


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
        yield Item(line, value if isinstance(value, dict) else Refused("not_an_object", "", type(value).__name__), raw)
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
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader)]
        if twice := next((name for name in header if name and header.count(name) > 1), None):
            raise FileProblem("duplicate_column", twice, 1)
        begin = reader.line_num + 1
        for cells in reader:
            line, begin = begin, reader.line_num + 1
            if any(cells):
                yield Item(line, table_row(header, cells), dict(zip(header, cells, strict=False)))
    except csv.Error as error:
        raise FileProblem("bad_table", str(error), reader.line_num) from None


def table_row(header, cells):
    if len(cells) != len(header):
        return Refused("ragged_row", "", f"{len(cells)} / {len(header)}")
    if [cell.strip() for cell in cells] == header:
        return Refused("second_header")
    return Table(zip(header, cells, strict=True))

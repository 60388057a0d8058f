"""Detects what a file holds: JSONL, a JSON array (or values in a sequence), CSV, TSV, Parquet or .xlsx, also gzipped.

Only the content decides, not the name. Reading streams: memory holds one row and a buffer, never the file. Text is
UTF-8; a table may also be UTF-16 with a byte order mark or GB18030, as spreadsheets save it.
"""

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import BinaryIO

from datasets.files import limits, parquet, xlsx
from datasets.files.encodings import UTF16, find_encoding
from datasets.files.item import FileProblem, Item
from datasets.files.jsonl import BLANK, is_document_start, is_json, read_json, read_jsonl, read_rows
from datasets.files.streams import (
    GunzipStream,
    PushbackStream,
    Readable,
    TranscodedStream,
    ensure_seekable,
    read_unzipped,
)
from datasets.files.tables import read_table


def read_items(stream: Readable) -> tuple[str, Iterator[Item]]:
    """The kind of a binary stream and its rows.

    The kind is `jsonl`, `json`, `csv`, `tsv`, `parquet` or `xlsx`.

    Raises FileProblem, also while the rows are read.
    """
    head = stream.read(limits.HEAD)
    if head.startswith(b"\x1f\x8b"):
        stream = GunzipStream(PushbackStream(head, stream))
        head = read_unzipped(stream.read, limits.HEAD)
    if head.startswith((b"PAR1", b"PK\x03\x04")):
        kind, read = ("parquet", parquet.read_items) if head.startswith(b"PAR1") else ("xlsx", xlsx.read_items)
        return kind, iter_numbered(read(read_unzipped(ensure_seekable, head, stream)))
    if encoding := find_encoding(head):
        stream = TranscodedStream(PushbackStream(head, stream), *encoding)
        head = read_unzipped(stream.read, limits.HEAD)
    check_encoding(head)
    head = head.removeprefix(codecs.BOM_UTF8)
    body = io.BufferedReader(PushbackStream(head, stream), limits.HEAD)
    kind, read_body = sniff(head)
    return kind, iter_numbered(read_body(body))


def iter_numbered(rows: Iterable[Item]) -> Iterator[Item]:
    """Numbers the rows; raises FileProblem where a .gz turns out to be broken."""
    try:
        for number, item in enumerate(rows, 1):
            item.number = number
            yield item
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileProblem("cut_off_gzip", str(error)) from None


def read_document(body: BinaryIO) -> Iterator[Item]:
    """The objects of a JSON document that is no array."""
    return read_rows(read_json(body))


def read_lines(body: BinaryIO) -> Iterator[Item]:
    """The rows of JSON Lines."""
    return read_rows(read_jsonl(body))


def check_encoding(head: bytes) -> None:
    """Refuses a file whose beginning is not UTF-8 text."""
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


def sniff(head: bytes) -> tuple[str, Callable[[BinaryIO], Iterator[Item]]]:
    """The kind of a text file and the function that reads it, by the file's first bytes."""
    text = head.decode("utf-8", "surrogateescape").lstrip(BLANK)
    if text.startswith("["):
        return "json", read_json
    if text.startswith("{"):
        first, newline, _ = text.partition("\n")
        more_follows = len(head) > limits.HEAD - len(codecs.BOM_UTF8) - 1
        document = newline and not is_json(first) and is_document_start(text, more_follows)
        return ("json", read_document) if document else ("jsonl", read_lines)
    header = text.splitlines()[0]
    delimiter = max("\t,;", key=lambda mark: (header.count(mark), mark == "\t"))
    if delimiter not in header:
        raise FileProblem("unknown_file", header[:80])
    return ("tsv" if delimiter == "\t" else "csv"), partial(read_table, delimiter=delimiter)

"""What a file holds: JSONL, a JSON array (or values one after the other), CSV, TSV, Parquet or .xlsx, each optionally
gzipped.

Told apart by content. Reading streams; memory holds one row and a buffer, never the file. Text is UTF-8, or in a
table UTF-16 with a mark or GB18030, as spreadsheets save it.
"""

import codecs
import gzip
import io
import zlib

from datasets.files import limits, parquet, xlsx
from datasets.files.encodings import UTF16, find_encoding
from datasets.files.item import FileProblem
from datasets.files.jsonl import BLANK, is_document_start, is_json, read_json, read_jsonl
from datasets.files.streams import GunzipStream, PushbackStream, TranscodedStream, ensure_seekable, read_unzipped
from datasets.files.tables import read_table


def read_items(stream):
    """(kind, iterator of Item) of a binary stream; kind is `jsonl`, `json`, `csv`, `tsv`, `parquet` or `xlsx`. Raises
    FileProblem."""
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
    kind, read, *options = sniff(head)
    return kind, iter_numbered(read(body, *options))


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
        more_follows = len(head) > limits.HEAD - len(codecs.BOM_UTF8) - 1
        document = newline and not is_json(first) and is_document_start(text, more_follows)
        return ("json", read_json) if document else ("jsonl", read_jsonl)
    header = text.splitlines()[0]
    delimiter = max("\t,;", key=lambda mark: (header.count(mark), mark == "\t"))
    if delimiter not in header:
        raise FileProblem("unknown_file", header[:80])
    return ("tsv" if delimiter == "\t" else "csv"), read_table, delimiter

"""Rows -> the bytes of a file, some at a time: JSON Lines, CSV and Parquet."""

import csv
import io
from itertools import chain

import msgspec

ROWS_A_GROUP = 2000
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
PIECE = 1 << 16  # bytes
encode = msgspec.json.Encoder().encode  # in a tenth of the time that json takes


def encode_line(row):
    """A row as a line of JSON Lines: UTF-8, no blanks between."""
    return encode(row) + b"\n"


def encode_jsonl(rows, columns):
    return map(encode_line, rows)


def encode_csv(rows, columns):
    """UTF-8 with a header; a line feed ends each row, and texts are as they are, each in quotation marks (else Python
    would leave a lone carriage return without)."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    for row in chain([columns], (row.values() for row in rows)):
        table.writerow(row)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def defuse_cell(cell):
    """The cell; a text that a spreadsheet would run as a formula gets an apostrophe in front."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def defuse_row(row):
    """A row for people who open it in a spreadsheet: no cell of it is taken for a formula."""
    return {name: defuse_cell(cell) for name, cell in row.items()}


def encode_parquet(rows, columns):
    """One row group for each two thousand rows; the types are those of the first rows' values, texts and numbers. What
    is nothing in all of these is a number later."""
    import pyarrow  # here: it takes a moment to load, and only this needs it
    import pyarrow.parquet

    class Sink(io.RawIOBase):
        """Gives on what is written into it."""

        def __init__(self):
            self.held = []

        def writable(self):
            return True

        def write(self, data):
            self.held.append(bytes(data))
            return len(data)

        def take(self):
            data, self.held = b"".join(self.held), []
            return data

    sink, writer, group = Sink(), None, []

    def flush():
        nonlocal writer
        if not writer:
            empty = [pyarrow.field(name, pyarrow.string()) for name in columns]
            fields = pyarrow.Table.from_pylist(group).schema if group else empty
            types = [
                (field.name, pyarrow.float64() if field.type == pyarrow.null() else field.type) for field in fields
            ]
            writer = pyarrow.parquet.ParquetWriter(sink, pyarrow.schema(types))
        writer.write_table(pyarrow.Table.from_pylist(group, schema=writer.schema))
        group.clear()

    for row in rows:
        group.append(row)
        if len(group) == ROWS_A_GROUP:
            flush()
            yield sink.take()
    if group or not writer:
        flush()
    writer.close()
    yield sink.take()


def merge_pieces(pieces):
    """The same bytes in larger pieces, as a network or a disk takes them."""
    held, size = [], 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


ENCODERS = {"jsonl": encode_jsonl, "csv": encode_csv, "parquet": encode_parquet}
CONTENT_TYPES = {
    "jsonl": "application/jsonl; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}

"""Streaming encoders of rows to JSON Lines, CSV and Parquet."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Row = Mapping[str, Any]  # {column: JSON value}, as a dialect writes it
Encoder = Callable[[Iterable[Row], Sequence[str]], Iterator[bytes]]
Cell = TypeVar("Cell")

ROWS_A_GROUP = 2000
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
PIECE = 1 << 16  # bytes
encode = msgspec.json.Encoder().encode  # ten times as fast as json


def encode_line(row: Row) -> bytes:
    """The row as a line of JSON Lines: UTF-8, without blanks between tokens."""
    return encode(row) + b"\n"


def encode_jsonl(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[bytes]:
    """Encodes JSON Lines, one line per piece; `columns` is unused."""
    return map(encode_line, rows)


def encode_csv(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[bytes]:
    """Encodes UTF-8 CSV with a header, one row per piece.

    A line feed ends each row. All strings are quoted: otherwise Python would leave a lone carriage return unquoted.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    lines: Iterable[Iterable[object]] = chain([columns], (row.values() for row in rows))
    for line in lines:
        table.writerow(line)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def defuse_cell(cell: Cell) -> Cell | str:
    """The cell, with an apostrophe in front of text that a spreadsheet would run as a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def defuse_row(row: Row) -> dict[str, Any]:
    """The row with its cells made safe to open in a spreadsheet; see `defuse_cell`."""
    return {name: defuse_cell(cell) for name, cell in row.items()}


def encode_parquet(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[bytes]:
    """Encodes Parquet, one row group of ROWS_A_GROUP rows per piece.

    The first group's values determine the column types; a column that is null throughout it becomes float64.

    columns: names for a file without rows.
    """
    import pyarrow  # here: it is slow to load and rarely needed
    import pyarrow.parquet

    class Sink(io.RawIOBase):
        """Holds what pyarrow writes until `take`."""

        def __init__(self) -> None:
            self.held: list[bytes] = []

        def writable(self) -> bool:
            return True

        def write(self, data: "ReadableBuffer", /) -> int:
            piece = bytes(data)
            self.held.append(piece)
            return len(piece)

        def take(self) -> bytes:
            data, self.held = b"".join(self.held), []
            return data

    sink = Sink()
    writer: Any = None  # a ParquetWriter; the first group determines its schema
    group: list[Row] = []

    def flush() -> None:
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


def merge_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of at least PIECE bytes, efficient for networks and disks."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


ENCODERS: dict[str, Encoder] = {"jsonl": encode_jsonl, "csv": encode_csv, "parquet": encode_parquet}
CONTENT_TYPES = {
    "jsonl": "application/jsonl; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}

"""Reads CSV and TSV, and turns the cells of any table into rows."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, TextIO

from datasets.files import limits
from datasets.files.item import FileProblem, Item
from datasets.formats.rows import Refusal, TableRow

if TYPE_CHECKING:
    from _csv import Reader

NumberedCells = tuple[int, list[str]]  # (line, cells); a plain tuple, because one is made per row


def read_table(body: BinaryIO, delimiter: str) -> Iterator[Item]:
    """Reads CSV or TSV with a header.

    Bytes that are not UTF-8 become lone surrogates, for which a dialect's reader refuses the row and names the field.
    """
    csv.field_size_limit(limits.LONGEST_ROW)
    text = io.TextIOWrapper(body, "utf-8", errors="surrogateescape", newline="")
    yield from iter_table_items(iter_rows(csv.reader(iter_lines(text), delimiter=delimiter, strict=True)))


def iter_rows(reader: "Reader") -> Iterator[NumberedCells]:
    """Each row's cells with the line where it begins."""
    begin = 1
    try:
        for cells in reader:
            line, begin = begin, reader.line_num + 1
            yield line, cells
    except csv.Error as error:
        code = "row_too_long" if "field limit" in str(error) else "bad_table"
        raise FileProblem(code, str(error), begin) from None


def iter_table_items(rows: Iterable[NumberedCells]) -> Iterator[Item]:
    """The rows as Items; the first row that is not empty is the header."""
    header: list[str] = []
    for line, cells in rows:
        if header and any(cells):
            ragged = len(cells) != len(header)
            yield Item(line, build_row(header, cells), cells if ragged else dict(zip(header, cells, strict=True)))
        elif any(cells):
            header = parse_header(cells, line)


def pad_rows(rows: Iterable[NumberedCells]) -> Iterator[NumberedCells]:
    """The rows, each padded with empty cells to the width of the first."""
    width = 0
    for line, cells in rows:
        width = width or len(cells)
        yield line, cells + [""] * (width - len(cells))


def iter_lines(text: TextIO) -> Iterator[str]:
    """The lines of a text; raises FileProblem for a line over LONGEST_ROW, before memory holds it all."""
    number = 0
    while line := text.readline(limits.LONGEST_ROW + 1):
        number += 1
        if len(line) > limits.LONGEST_ROW:
            raise FileProblem("row_too_long", f"{limits.LONGEST_ROW >> 20} MiB", number)
        yield line


def parse_header(cells: list[str], line: int) -> list[str]:
    """The column names, stripped and checked."""
    header = [name.strip() for name in cells]
    check_columns([name for name in header if name], len(header), line)
    return header


def check_columns(names: Sequence[str], count: int, line: int = 0) -> None:
    """Raises FileProblem for a table with more columns than a spreadsheet can have, or with a duplicate name."""
    if count > limits.MOST_COLUMNS:
        raise FileProblem("too_many_columns", f"{count} > {limits.MOST_COLUMNS}", line)
    times = Counter(names)
    if duplicate := next((name for name in names if times[name] > 1), None):
        raise FileProblem("duplicate_column", duplicate, line)


def build_row(header: list[str], cells: list[str]) -> TableRow | Refusal:
    if len(cells) != len(header):
        return Refusal("ragged_row", "", f"{len(cells)} / {len(header)}")
    if [cell.strip() for cell in cells] == header:
        return Refusal("second_header")
    return TableRow(zip(header, cells, strict=True))

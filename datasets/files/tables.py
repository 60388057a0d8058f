"""Tables: CSV and TSV, and what their rows have in common with those of a spreadsheet."""

import csv
import io
from collections import Counter

from datasets.files import limits
from datasets.files.item import FileProblem, Item
from datasets.formats.rows import Refusal, TableRow


def read_table(body, delimiter):
    """CSV or TSV with a header; the line is where a row begins. Bytes that are no UTF-8 come as lone surrogates,
    which readers refuse with their field."""
    csv.field_size_limit(limits.LONGEST_ROW)
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


def pad_rows(rows):
    """Rows that end at their last filled cell, with empty ones up to where the first row ends."""
    width = 0
    for line, cells in rows:
        width = width or len(cells)
        yield line, cells + [""] * (width - len(cells))


def iter_lines(text):
    """The lines of a text, of which none may be so long that memory would not hold it."""
    number = 0
    while line := text.readline(limits.LONGEST_ROW + 1):
        number += 1
        if len(line) > limits.LONGEST_ROW:
            raise FileProblem("row_too_long", f"{limits.LONGEST_ROW >> 20} MiB", number)
        yield line


def parse_header(cells, line):
    """The names of a table's columns."""
    header = [name.strip() for name in cells]
    check_columns([name for name in header if name], len(header), line)
    return header


def check_columns(names, count, line=0):
    """Refuse a table of more columns than a spreadsheet has, or with the same name twice."""
    if count > limits.MOST_COLUMNS:
        raise FileProblem("too_many_columns", f"{count} > {limits.MOST_COLUMNS}", line)
    times = Counter(names)
    if duplicate := next((name for name in names if times[name] > 1), None):
        raise FileProblem("duplicate_column", duplicate, line)


def build_row(header, cells):
    if len(cells) != len(header):
        return Refusal("ragged_row", "", f"{len(cells)} / {len(header)}")
    if [cell.strip() for cell in cells] == header:
        return Refusal("second_header")
    return TableRow(zip(header, cells, strict=True))

"""The numbers of a part as tables, for its page and as CSV."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from analyze.shapes import Line, Numbers, Tables
from analyze.wording import sort_items
from annotate.hours import Echo
from datasets.files.writers import defuse_cell

if TYPE_CHECKING:
    from analyze.reports import Part  # imports numpy, which pages do without


def find_rates(numbers: Mapping[str, Any] | None) -> list[Line]:
    """[{"name", "value", "interval", "n"}] of all rates among a part's numbers.

    A rate is an object {"value", "interval", "n"}, or a number `NAME` with its interval under `NAME_interval` and its n
    under `n`.
    """
    rates: list[Line] = []
    numbers = numbers or {}
    for name, value in sort_items(numbers):
        if isinstance(value, dict) and {"value", "interval"} <= set(value):
            rates.append({"name": name, **value})
        elif f"{name}_interval" in numbers:
            rates.append({"name": name, "value": value, "interval": numbers[f"{name}_interval"], "n": numbers.get("n")})
    return rates


def build_tables(name: str, part: "Part", numbers: Numbers) -> Tables:
    """{name: rows} of a part's tables, its main one first, under the part's name.

    name: of the part.
    numbers: of the whole report.

    A part may define them with `tables(numbers)`; by default they are its rates and its lists of lines.
    """
    if hasattr(part, "tables"):
        tables: Tables = part.tables(numbers)
        return tables
    content = numbers.get(name)
    if not isinstance(content, dict):
        return {name: content or []}
    return {name: find_rates(content), **{key: rows for key, rows in sort_items(content) if is_table(rows)}}


def is_table(rows: Any) -> bool:
    """Whether a value of a report is a non-empty list of lines."""
    return isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict)


def flatten_row(row: Line) -> dict[str, Any]:
    """{column: cell} of a row; an interval becomes `_low` and `_high`, a rate its value, interval and n."""
    cells: dict[str, Any] = {}
    for name, value in sort_items(row):
        prefix = "" if name in ("interval", "value") else f"{name}_"
        if isinstance(value, dict):
            cells[name] = value.get("value")
            cells |= {f"{name}_{key}": cell for key, cell in flatten_row(value).items() if key != "value"}
        elif name.endswith("interval"):
            low, high = value or (None, None)
            stem = prefix.removesuffix("interval_")
            cells |= {f"{stem}low": low, f"{stem}high": high}
        else:
            cells[name] = ", ".join(map(str, value)) if isinstance(value, list) else value
    return cells


def iter_csv_lines(rows: Iterable[Line]) -> Iterator[str]:
    """The rows as lines of CSV, numbers unrounded, cells escaped so that spreadsheets run no formula."""
    flat_rows = [flatten_row(row) for row in rows]
    header = list(dict.fromkeys(name for row in flat_rows for name in row))
    write = csv.writer(Echo()).writerow
    if header:
        yield write(header)
    for row in flat_rows:
        yield write([defuse_cell(row.get(name)) for name in header])

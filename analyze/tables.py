"""The numbers of a part as tables, for its page and as CSV."""

import csv

from analyze.wording import sort_items
from annotate.hours import Echo
from datasets.files.writers import defuse_cell


def find_rates(numbers):
    """[{"name", "value", "interval", "n"}] of all rates among numbers: {"value", "interval", "n"}, or a number beside
    which its interval stands as `NAME_interval`, of as many as `n` there says."""
    rates = []
    for name, value in sort_items(numbers or {}):
        if isinstance(value, dict) and {"value", "interval"} <= set(value):
            rates.append({"name": name, **value})
        elif f"{name}_interval" in numbers:
            rates.append({"name": name, "value": value, "interval": numbers[f"{name}_interval"], "n": numbers.get("n")})
    return rates


def build_tables(name, part, numbers):
    """{name: rows} of the tables of a part, its main one first, under its own name. A part may say what they are
    (`tables(numbers)`); else they are its rates, and the lists of lines in what it says."""
    if hasattr(part, "tables"):
        return part.tables(numbers)
    content = numbers.get(name)
    if not isinstance(content, dict):
        return {name: content or []}
    return {name: find_rates(content), **{key: rows for key, rows in sort_items(content) if is_table(rows)}}


def is_table(rows):
    return isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict)


def flatten_row(row):
    """A row of plain cells: an interval as `_low` and `_high`, a rate as its value, interval and n."""
    cells = {}
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


def iter_csv_lines(rows):
    """The rows as lines of CSV, numbers unrounded. No cell is taken for a formula by a spreadsheet."""
    rows = [flatten_row(row) for row in rows]
    header = list(dict.fromkeys(name for row in rows for name in row))
    write = csv.writer(Echo()).writerow
    if header:
        yield write(header)
    for row in rows:
        yield write([defuse_cell(row.get(name)) for name in header])

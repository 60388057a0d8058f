"""The numbers of a part as tables, for its page and as CSV."""

import csv

from analyze.labels import in_order
from annotate.hours import Echo
from datasets.files.writers import defused


def rates_of(numbers):
    """[{"name", "value", "interval", "n"}] of all rates among numbers: {"value", "interval", "n"}, or a number beside
    which its interval stands as `NAME_interval`, of as many as `n` there says."""
    found = []
    for name, value in in_order(numbers or {}):
        if isinstance(value, dict) and {"value", "interval"} <= set(value):
            found.append({"name": name, **value})
        elif f"{name}_interval" in numbers:
            found.append({"name": name, "value": value, "interval": numbers[f"{name}_interval"], "n": numbers.get("n")})
    return found


def tables_of(name, part, numbers):
    """{name: rows} of the tables of a part, its main one first, under its own name. A part may say what they are
    (`tables(numbers)`); else they are its rates, and the lists of lines in what it says."""
    if hasattr(part, "tables"):
        return part.tables(numbers)
    said = numbers.get(name)
    if not isinstance(said, dict):
        return {name: said or []}
    return {name: rates_of(said), **{key: rows for key, rows in in_order(said) if is_table(rows)}}


def is_table(rows):
    return isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict)


def flat(row):
    """A row of plain cells: an interval as `_low` and `_high`, a rate as its value, interval and n."""
    found = {}
    for name, value in in_order(row):
        prefix = "" if name in ("interval", "value") else f"{name}_"
        if isinstance(value, dict):
            found[name] = value.get("value")
            found |= {f"{name}_{key}": cell for key, cell in flat(value).items() if key != "value"}
        elif name.endswith("interval"):
            low, high = value or (None, None)
            stem = prefix.removesuffix("interval_")
            found |= {f"{stem}low": low, f"{stem}high": high}
        else:
            found[name] = ", ".join(map(str, value)) if isinstance(value, list) else value
    return found


def csv_lines(rows):
    """The rows as lines of CSV, numbers unrounded. No cell is taken for a formula by a spreadsheet."""
    rows = [flat(row) for row in rows]
    header = list(dict.fromkeys(name for row in rows for name in row))
    write = csv.writer(Echo()).writerow
    if header:
        yield write(header)
    for row in rows:
        yield write([defused(row.get(name)) for name in header])

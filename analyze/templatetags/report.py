"""Filters and tags for the templates of a report: numbers in words, and charts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django import template
from django.utils.translation import gettext as _

from analyze import charts, wording
from analyze.shapes import Line, Numbers, PersonLine, RateName
from analyze.tables import find_rates
from datasets.judgments.wording import format_span_label

T = TypeVar("T")
Interval = Sequence[float | None] | None  # (low, high)

register = template.Library()
register.filter("told", wording.translate_text)
register.filter("named", wording.format_name)
register.filter("part_named", wording.format_part)
register.filter("habit_of", wording.format_habit)
register.filter("why_marked", wording.explain_mark)
register.filter("in_order", wording.sort_items)
register.filter("span_label", format_span_label)
NOTHING = "–"


@register.filter
def percent(value: float | None) -> str:
    """A share as "71 %"."""
    return NOTHING if value is None else f"{100 * value:.0f} %"


@register.filter
def signed(value: float | None) -> str:
    """A number with its sign, to two decimals."""
    return NOTHING if value is None else f"{value:+.2f}".replace("-", "−")


@register.filter
def round_signed(value: float) -> str:
    """A round number with its sign, without trailing zeros."""
    return f"{value:+g}".replace("-", "−") if round(value, 9) else "0"


@register.filter
def percents(interval: Interval) -> str:
    """An interval of shares as "66–75 %"."""
    low, high = interval or (None, None)
    return "" if low is None or high is None else f"{100 * low:.0f}–{100 * high:.0f} %"


@register.filter
def signeds(interval: Interval) -> str:
    """An interval of numbers as "+0.21 … +1.02"."""
    low, high = interval or (None, None)
    return "" if low is None or high is None else f"{signed(low)} … {signed(high)}"


@register.filter
def numbers(interval: Interval) -> str:
    """An interval of non-negative numbers as "12–31", "900–1,204"."""
    low, high = interval or (None, None)
    return "" if low is None or high is None else f"{low:,.0f}–{high:,.0f}"


@register.filter
def worded(rows: Iterable[Line]) -> list[Line]:
    """The rows, with their names in words."""
    return [{**row, "name": wording.format_name(row["name"])} for row in rows]


@register.filter
def rates(content: Numbers | None) -> list[Line]:
    """The rates of a part that have a value, with their names in words."""
    return worded(rate for rate in find_rates(content) if rate["value"] is not None)


@register.filter
def some(rows: Iterable[Line], wanted: str) -> list[Line]:
    """The rates with these names; wanted: names, separated by spaces."""
    names = [wording.format_name(name) for name in wanted.split()]
    return [row for row in rows if row["name"] in names]


@register.filter
def having(rows: Iterable[PersonLine] | None, name: RateName) -> list[Line]:
    """One rate of each person who has a value of it, as rows named after the person."""
    return [row[name] | {"name": row["annotator"]} for row in rows or () if row[name]["value"] is not None]


@register.inclusion_tag("analyze/_whiskers.html")
def whiskers(
    rows: Iterable[Line] | None,
    title: str,
    label: str = "name",
    value: str = "value",
    band: tuple[float, float] | None = None,
    axis: str = "",
) -> dict[str, Any]:
    """A chart of shares with their intervals, one line per row. axis: its title, with the unit."""
    return {"title": title, "axis": axis or _("Share (%)"), **charts.build_whiskers(rows, label, value, True, band)}


@register.inclusion_tag("analyze/_whiskers.html")
def strength_whiskers(
    rows: Iterable[Line] | None, title: str, label: str = "source", value: str = "strength"
) -> dict[str, Any]:
    """A chart of numbers around 0 with their intervals, one line per row; shades rows that do not differ."""
    chart = charts.build_whiskers(rows, label, value, False, n="judgments")
    return {"title": title, "axis": _("Strength (log-odds)"), **chart}


@register.inclusion_tag("analyze/_plot.html")
def plot(
    rows: Iterable[Line] | None,
    title: str,
    x: str,
    axis: str,
    down_axis: str,
    diagonal: bool = False,
    grey: str = "",
    n: str = "n",
) -> dict[str, Any]:
    """A chart of shares with their intervals, over numbers; with `diagonal`, over shares.

    x: key of the number in a row.
    axis, down_axis: titles of the axes, with their units.
    grey: key of a second share in a row.
    n: key of the number of choices or prompts behind a row.
    """
    chart = charts.build_plot(rows, x, "value", from_zero=not diagonal, diagonal=diagonal, grey=grey, n=n)
    return {"title": title, "axis": axis, "down_axis": down_axis, **chart}


@register.filter
def matrix_lines(matrix: Numbers) -> list[tuple[str, list[tuple[float | None, int]]]]:
    """(source, [(share, wins), …]) of each row of a win matrix."""
    cells = (list(zip(*columns, strict=True)) for columns in zip(matrix["share"], matrix["wins"], strict=True))
    return list(zip(matrix["sources"], cells, strict=True))


@register.filter
def beside(content: Numbers, name: str) -> list[Line]:
    """A rate of agreement, and below it the published ranges: their middles, with both ends as the interval."""
    bands: list[Line] = [
        {
            "name": wording.translate_text(band["of"]),
            "value": (band["low"] + band["high"]) / 2,
            "interval": [band["low"], band["high"]],
        }
        for band in content["bands"]
    ]
    return some(rates(content), name) + bands


@register.filter
def balanced(content: Numbers) -> list[dict[str, Any]]:
    """The rate of each trait now, and in a length-balanced selection."""
    won = content["balance"]["won"]
    now = {name: content["longer_won" if name == "length" else f"{name}_won"]["value"] for name in won}
    return [
        {"name": wording.format_name(name), "now": now[name], "then": then} for name, then in wording.sort_items(won)
    ]


@register.filter
def of(mapping: Mapping[Any, T], key: Any) -> T | None:
    """The value of a key, or None."""
    return mapping.get(key)


@register.filter
def total(numbers: Iterable[int]) -> int:
    """The sum of the numbers."""
    return sum(numbers)


@register.filter
def having_some(rows: Iterable[Line]) -> list[Line]:
    """The rows whose n is not 0."""
    return [row for row in rows if row["n"]]

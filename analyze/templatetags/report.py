"""Numbers for reading, and charts, in the templates of a report."""

from django import template

from analyze import charts, wording
from analyze.tables import find_rates

register = template.Library()
register.filter("told", wording.translate_text)
register.filter("named", wording.format_name)
register.filter("part_named", wording.format_part)
register.filter("habit_of", wording.format_habit)
register.filter("why_marked", wording.explain_mark)
register.filter("in_order", wording.sort_items)
NOTHING = "–"


@register.filter
def percent(value):
    """A share as "71 %"."""
    return NOTHING if value is None else f"{100 * value:.0f} %"


@register.filter
def signed(value):
    """A number with its sign, two digits behind the point."""
    return NOTHING if value is None else f"{value:+.2f}".replace("-", "−")


@register.filter
def round_signed(value):
    """A round number with its sign, no more digits than it has."""
    return f"{value:+g}".replace("-", "−") if round(value, 9) else "0"


@register.filter
def percents(interval):
    """An interval of shares as "66–75 %"."""
    low, high = interval or (None, None)
    return "" if low is None or high is None else f"{100 * low:.0f}–{100 * high:.0f} %"


@register.filter
def signeds(interval):
    """An interval of numbers as "+0.21 … +1.02"."""
    low, high = interval or (None, None)
    return "" if low is None or high is None else f"{signed(low)} … {signed(high)}"


@register.filter
def numbers(interval):
    """An interval of numbers that are never below 0 as "12–31"."""
    low, high = interval or (None, None)
    return "" if low is None or high is None else f"{low:.0f}–{high:.0f}"


@register.filter
def worded(rows):
    """The rows, their names in words."""
    return [{**row, "name": wording.format_name(row["name"])} for row in rows]


@register.filter
def rates(content):
    """The rates among the numbers of a part that have a value, their names in words."""
    return worded(rate for rate in find_rates(content) if rate["value"] is not None)


@register.filter
def some(rows, wanted):
    """Those of the rates whose names are given, with a blank between two."""
    names = [wording.format_name(name) for name in wanted.split()]
    return [row for row in rows if row["name"] in names]


@register.filter
def having(rows, name):
    """A row for each line that has a value of this rate: {"name": the line, …}."""
    return [row[name] | {"name": row["annotator"]} for row in rows or () if row[name]["value"] is not None]


@register.inclusion_tag("analyze/_whiskers.html")
def whiskers(rows, title, label="name", value="value", band=None):
    """Shares of one with their intervals, a line each."""
    return {"title": title, **charts.build_whiskers(rows, label, value, True, band)}


@register.inclusion_tag("analyze/_whiskers.html")
def strength_whiskers(rows, title, label="source", value="strength"):
    """Numbers around 0 with their intervals, a line each; what is not told apart is marked."""
    return {"title": title, **charts.build_whiskers(rows, label, value, False)}


@register.inclusion_tag("analyze/_plot.html")
def plot(rows, title, x, y="value", diagonal=False):
    """Shares over numbers, with their intervals; with `diagonal` over shares."""
    return {"title": title, **charts.build_plot(rows, x, y, from_zero=not diagonal, diagonal=diagonal)}


@register.filter
def matrix_lines(matrix):
    """(source, [(share, wins), …]) of each line of a matrix."""
    cells = (list(zip(*columns, strict=True)) for columns in zip(matrix["share"], matrix["wins"], strict=True))
    return list(zip(matrix["sources"], cells, strict=True))


@register.filter
def beside(content, name):
    """A rate of agreement, and what others found as rows under it: the middle, and both ends as the interval."""
    bands = [
        {
            "name": wording.translate_text(band["of"]),
            "value": (band["low"] + band["high"]) / 2,
            "interval": [band["low"], band["high"]],
        }
        for band in content["bands"]
    ]
    return some(rates(content), name) + bands


@register.filter
def balanced(content):
    """For each trait its rate now and in a length-balanced selection."""
    won = content["balance"]["won"]
    now = {name: content["longer_won" if name == "length" else f"{name}_won"]["value"] for name in won}
    return [
        {"name": wording.format_name(name), "now": now[name], "then": then} for name, then in wording.sort_items(won)
    ]


@register.filter
def of(mapping, key):
    """What a mapping has under this key; None where it has nothing."""
    return mapping.get(key)


@register.filter
def total(numbers):
    return sum(numbers)


@register.filter
def having_some(rows):
    """The rows that something is behind."""
    return [row for row in rows if row["n"]]

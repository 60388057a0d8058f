"""Layout of charts: plain numbers to coordinates for SVG attributes.

Horizontal coordinates are percentages of the width, so that a chart fills the page while its text keeps the page's
size. Vertical coordinates are pixels.
"""

import itertools
import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]  # a line of a report

ROW, TOP, AXIS, MARGIN = 48, 16, 44, 3  # height of a row, top margin, height of the axis (px); side margins (%)
HEIGHT, LEFT = 200, 9  # height of a plot (px); width of its vertical axis (%)
PLOT_TOP = 40  # top margin of a plot (px), with the title of its vertical axis
NAME_WIDTH = 34  # characters of a name; a wide character counts twice


@dataclass(frozen=True)
class Scale:
    """A linear scale from `low` to `high`; is_share: its numbers are shares, 0 to 1."""

    low: float
    high: float
    is_share: bool

    def place_across(self, value: float, left: float = MARGIN) -> str:
        """The horizontal coordinate of a value, as a percentage; left: margin in percent."""
        return f"{left + (100 - MARGIN - left) * self.compute_share(value):.2f}%"

    def place_down(self, value: float) -> str:
        """The vertical coordinate of a value in a plot, in pixels from the top."""
        return f"{PLOT_TOP + HEIGHT * (1 - self.compute_share(value)):.1f}"

    def compute_share(self, value: float) -> float:
        """The position of a value on the scale, clipped to 0 to 1."""
        return min(max((value - self.low) / (self.high - self.low), 0), 1)

    def choose_ticks(self) -> list[float]:
        """At most five round numbers on the scale."""
        if (self.is_share, self.low) == (True, 0.0):
            return [0.0, 0.25, 0.5, 0.75, 1.0]
        step = next(step for step in iter_steps() if (self.high - self.low) / step <= 4)
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def iter_steps() -> Iterator[float]:
    """0.01, 0.02, 0.05, 0.1 and so on."""
    power = -2
    while True:
        for digit in (1, 2, 5):
            yield digit * 10.0**power
        power += 1


def choose_scale(rows: Iterable[Row], value: str, is_share: bool) -> Scale:
    """The Scale that fits all rows: 0 to 1 for shares, else a range that includes 0.

    value: the key of the number in a row.
    """
    if is_share:
        return Scale(0.0, 1.0, True)
    ends = [number for row in rows for number in (*get_interval(row), row[value]) if number is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    room = (high - low) * 0.04 or 1.0
    return Scale(low - room, high + room, False)


def find_counts(rows: Iterable[Row], n: str) -> tuple[int, int] | None:
    """(least, most) votes or choices behind a row; None if no row says it. n: key of that number."""
    counts = [row[n] for row in rows if row.get(n) is not None]
    return (min(counts), max(counts)) if counts else None


def get_interval(row: Row) -> tuple[float, float] | tuple[None, None]:
    """(low, high) of a row; (None, None) if it has none."""
    low, high = row.get("interval") or (None, None)
    return (None, None) if low is None or high is None else (low, high)


def build_whiskers(
    rows: Iterable[Row] | None,
    label: str,
    value: str,
    is_share: bool,
    band: tuple[float, float] | None = None,
    n: str = "n",
) -> dict[str, Any]:
    """The context of `_whiskers.html`: a dot with its interval for each row that has a value.

    rows: adjacent ones with the same `group` do not differ significantly.
    label, value: keys of the name and the number in a row.
    is_share: the numbers are shares, 0 to 1.
    band: (low, high), the usual range.
    n: key of the number of votes or choices in a row.
    """
    rows = [row for row in rows or () if row.get(value) is not None]
    scale = choose_scale(rows, value, is_share)
    marks = []
    for place, row in enumerate(rows):
        low, high = get_interval(row)
        y = TOP + place * ROW
        marks.append(
            {
                "name": shorten_name(row[label]),
                "row": row,
                "value": row[value],
                "top": y + 16,
                "y": y + 32,
                "at": scale.place_across(row[value]),
                "low": None if low is None else scale.place_across(low),
                "high": None if high is None else scale.place_across(high),
            }
        )
    bottom, middle = TOP + len(rows) * ROW, 0.5 if is_share else 0
    return {
        "marks": marks,
        "groups": find_groups(rows),
        "band": band and {"x": scale.place_across(band[0]), "width": f"{94 * (band[1] - band[0]):.2f}%"},
        "ticks": [
            {"x": scale.place_across(tick), "value": tick, "middle": tick == middle} for tick in scale.choose_ticks()
        ],
        "is_share": is_share,
        "n": find_counts(rows, n),
        "bottom": bottom,
        "words_at": bottom + 16,
        "title_at": bottom + 36,
        "height": bottom + AXIS,
    }


def find_groups(rows: Sequence[Row]) -> list[dict[str, int]]:
    """[{"y", "height"}] of the groups of two rows or more, in pixels."""
    groups: list[dict[str, int]] = []
    start = 0
    for place in range(1, len(rows) + 1):
        if place == len(rows) or get_group(rows[place]) != get_group(rows[start]):
            if place - start > 1 and get_group(rows[start]):
                groups.append({"y": TOP + start * ROW - 2, "height": (place - start) * ROW - 2})
            start = place
    return groups


def get_group(row: Row) -> tuple[Any, Any] | None:
    """(component, group) of a row; a false value if it has no group."""
    return row.get("group") and (row.get("component"), row["group"])


def build_plot(
    rows: Iterable[Row] | None,
    x: str,
    y: str,
    from_zero: bool = False,
    diagonal: bool = False,
    grey: str = "",
    n: str = "n",
) -> dict[str, Any]:
    """The context of `_plot.html`: shares with their intervals over numbers, connected by a line.

    x, y: keys of the number and the share in a row.
    from_zero: the horizontal axis starts at 0.
    diagonal: draw the line x = y; both are shares.
    grey: key of a second share in a row, drawn in grey without intervals.
    n: key of the number of votes, choices or prompts behind a row.
    """
    rows = [row for row in rows or () if row.get(y) is not None and row.get(x) is not None]
    low = 0.0 if from_zero else min([row[x] for row in rows], default=0.0)
    high = max([row[x] for row in rows], default=1.0)
    x_scale = Scale(0.5, 1.0, True) if diagonal else Scale(low, high if high > low else low + 1, False)
    bottom = min([end for row in rows for end in (*get_interval(row), row[y]) if end is not None], default=0.0)
    y_scale = Scale(math.floor(min(bottom, 0.5) * 10) / 10, 1.0, True)
    points: list[dict[str, Any]] = []
    for row in rows:
        ends = [None if end is None else y_scale.place_down(end) for end in get_interval(row)]
        points.append(
            {
                "x": x_scale.place_across(row[x], LEFT),
                "y": y_scale.place_down(row[y]),
                "low": ends[0],
                "high": ends[1],
                "row": row,
            }
        )
    greys = [
        {"x": x_scale.place_across(row[x], LEFT), "y": y_scale.place_down(row[grey])}
        for row in rows
        if grey and row.get(grey) is not None
    ]
    return {
        "points": points,
        "lines": list(itertools.pairwise(points)),
        "greys": greys,
        "grey_lines": list(itertools.pairwise(greys)),
        "diagonal": diagonal
        and {"x1": x_scale.place_across(0.5, LEFT), "y1": y_scale.place_down(0.5), "y2": y_scale.place_down(1)},
        "across": [{"x": x_scale.place_across(tick, LEFT), "value": tick} for tick in x_scale.choose_ticks()],
        "down": [{"y": y_scale.place_down(tick), "value": tick} for tick in y_scale.choose_ticks()],
        "n": find_counts(rows, n),
        "words_at": PLOT_TOP + HEIGHT + 18,
        "title_at": PLOT_TOP + HEIGHT + 38,
        "height": PLOT_TOP + HEIGHT + AXIS,
        "is_share": diagonal,
    }


def shorten_name(name: object) -> str:
    """A name, truncated to NAME_WIDTH."""
    room, shortened = NAME_WIDTH, ""
    for letter in str(name):
        room -= 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if room < 0:
            return f"{shortened}…"
        shortened += letter
    return shortened

"""Where the marks of a chart stand: plain numbers -> places for the attributes of an SVG.

Across, a place is a share of the width in percent, so that a chart is as wide as the page and its letters stay as large
as the page's; down, it is in pixels.
"""

import itertools
import math
import unicodedata
from dataclasses import dataclass

ROW, TOP, AXIS, MARGIN = 48, 16, 24, 3  # pixels of a row, above the first, of the axis; percent at the sides
HEIGHT, LEFT = 200, 9  # pixels of a plot; percent of its width that the words of its axis take
NAME_WIDTH = 34  # letters of a name; an ideograph is as wide as two


@dataclass(frozen=True)
class Scale:
    """From `low` to `high`. is_share: the numbers are shares of one."""

    low: float
    high: float
    is_share: bool

    def place_across(self, value, left=MARGIN):
        """The place of a value, in percent of the width."""
        return f"{left + (100 - MARGIN - left) * self.compute_share(value):.2f}%"

    def place_down(self, value):
        """The place of a value in a plot, in pixels from above."""
        return f"{TOP + HEIGHT * (1 - self.compute_share(value)):.1f}"

    def compute_share(self, value):
        return min(max((value - self.low) / (self.high - self.low), 0), 1)

    def choose_ticks(self):
        """A few round numbers between both ends."""
        if (self.is_share, self.low) == (True, 0.0):
            return [0.0, 0.25, 0.5, 0.75, 1.0]
        step = next(step for step in iter_steps() if (self.high - self.low) / step <= 4)
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def iter_steps():
    """0.01, 0.02, 0.05, 0.1 and so on."""
    power = -2
    while True:
        for digit in (1, 2, 5):
            yield digit * 10.0**power
        power += 1


def choose_scale(rows, value, is_share):
    """The Scale that all of these rows fit on; of shares from 0 to 1, of others so that 0 is on it."""
    if is_share:
        return Scale(0.0, 1.0, True)
    ends = [number for row in rows for number in (*get_interval(row), row[value]) if number is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    room = (high - low) * 0.04 or 1.0
    return Scale(low - room, high + room, False)


def get_interval(row):
    """(low, high) of a row; (None, None) where there is none."""
    interval = row.get("interval") or (None, None)
    return tuple(interval) if None not in interval else (None, None)


def build_whiskers(rows, label, value, is_share, band=None):
    """What `_whiskers.html` draws: a line for each row with a value, a dot on it and the interval as its whisker. Rows
    next to each other with the same `group` are not told apart. band: (low, high), what is usual."""
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
        "bottom": bottom,
        "words_at": bottom + 16,
        "height": bottom + AXIS,
    }


def find_groups(rows):
    """Where rows of one group stand, for groups of two and more."""
    groups, start = [], 0
    for place in range(1, len(rows) + 1):
        if place == len(rows) or get_group(rows[place]) != get_group(rows[start]):
            if place - start > 1 and get_group(rows[start]):
                groups.append({"y": TOP + start * ROW - 2, "height": (place - start) * ROW - 2})
            start = place
    return groups


def get_group(row):
    return row.get("group") and (row.get("component"), row["group"])


def build_plot(rows, x, y, from_zero=False, diagonal=False):
    """What `_plot.html` draws: shares `y` with their intervals over numbers `x`, joined by a line. diagonal: where both
    are the same, drawn as well; both are shares then."""
    rows = [row for row in rows or () if row.get(y) is not None and row.get(x) is not None]
    low = 0.0 if from_zero else min([row[x] for row in rows], default=0.0)
    high = max([row[x] for row in rows], default=1.0)
    x_scale = Scale(0.5, 1.0, True) if diagonal else Scale(low, high if high > low else low + 1, False)
    bottom = min([end for row in rows for end in (*get_interval(row), row[y]) if end is not None], default=0.0)
    y_scale = Scale(math.floor(min(bottom, 0.5) * 10) / 10, 1.0, True)
    points = []
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
    return {
        "points": points,
        "lines": list(itertools.pairwise(points)),
        "diagonal": diagonal
        and {"x1": x_scale.place_across(0.5, LEFT), "y1": y_scale.place_down(0.5), "y2": y_scale.place_down(1)},
        "across": [{"x": x_scale.place_across(tick, LEFT), "value": tick} for tick in x_scale.choose_ticks()],
        "down": [{"y": y_scale.place_down(tick), "value": tick} for tick in y_scale.choose_ticks()],
        "bottom": TOP + HEIGHT,
        "words_at": TOP + HEIGHT + 18,
        "height": TOP + HEIGHT + AXIS,
        "is_share": diagonal,
    }


def shorten_name(name):
    """A name as long as a chart has room for."""
    room, shortened = NAME_WIDTH, ""
    for letter in str(name):
        room -= 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if room < 0:
            return f"{shortened}…"
        shortened += letter
    return shortened

"""The parts of a report, one module each; `load_parts` discovers them.

A module here that has a LABEL is a part, named after the module with hyphens for underscores. It defines

    LABEL            its heading
    PLACE            its rank among the parts
    numbers(data)    the numbers of a columns.DatasetColumns, as values for JSON: unrounded, an interval as [low, high]
                     at 95 %, null for what cannot be computed, with the reason under `NAME_reason`

and may define

    tables(numbers)  {name: rows}, the tables of its page, from the numbers of the whole report
"""

import functools
import importlib
import math
import pkgutil
from typing import Any, Protocol, cast

import numpy as np
from django.utils.functional import Promise

from analyze.columns import DatasetColumns
from analyze.maths.intervals import Rate
from analyze.shapes import Numbers, RateNumbers


class Part(Protocol):
    """A module of this package; it may also define `tables(numbers)`."""

    LABEL: Promise
    PLACE: int

    def numbers(self, data: DatasetColumns) -> Numbers: ...


@functools.cache
def load_parts() -> dict[str, Part]:
    """{name: module} of every part, by PLACE."""
    names = [info.name for info in pkgutil.iter_modules(__path__)]
    modules = {name.replace("_", "-"): importlib.import_module(f"{__name__}.{name}") for name in names}
    parts = [(name, cast(Part, module)) for name, module in modules.items() if hasattr(module, "LABEL")]
    return dict(sorted(parts, key=lambda item: item[1].PLACE))


def build_json(value: Any) -> Any:
    """The value as JSON holds it: numpy arrays as lists, NaN and infinity as null."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: build_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [build_json(item) for item in value]
    return value


def add_reasons(value: Any, why: str = "Nothing can be said of it.") -> Any:
    """A part's JSON numbers, with a reason under `NAME_reason` for each null and each rate without a value.

    why: the reason for values that have none next to them or around them.

    An interval without ends becomes null.
    """
    if isinstance(value, list):
        return [add_reasons(item, why) for item in value]
    if not isinstance(value, dict):
        return value
    why = next((text for name, text in value.items() if name.endswith("_reason")), why)
    completed: dict[str, Any] = {}
    for name, item in value.items():
        completed[name] = None if item == [None, None] else add_reasons(item, why)
        if completed[name] is None or (isinstance(item, dict) and item.get("value", 0) is None):
            completed[f"{name}_reason"] = value.get(f"{name}_reason", why)
    return completed


def build_rate(rate: Rate, place: int | None = None) -> RateNumbers:
    """A Rate as JSON holds it.

    place: index of one rate in a Rate of arrays.
    """
    single = rate if place is None else rate[place]
    n = int(single.n)
    return {"value": float(single.value) if n else None, "interval": [float(single.low), float(single.high)], "n": n}

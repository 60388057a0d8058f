"""What a report says, one file for each part, found by itself.

A module here that has a LABEL is a part; its name is the module's, with hyphens. It has

    LABEL          its words as a heading
    PLACE          its place among the parts
    numbers(data)  what it says of a columns.DatasetColumns, as plain values for JSON: numbers unrounded, an interval
                   [low, high] at 95 %, null for what cannot be computed, with the reason under `NAME_reason`
"""

import functools
import importlib
import math
import pkgutil

import numpy as np


@functools.cache
def load_parts():
    """{name: module} in the order of their places."""
    names = [info.name for info in pkgutil.iter_modules(__path__)]
    modules = {name.replace("_", "-"): importlib.import_module(f"{__name__}.{name}") for name in names}
    parts = [(name, module) for name, module in modules.items() if hasattr(module, "LABEL")]
    return dict(sorted(parts, key=lambda item: item[1].PLACE))


def build_json(value):
    """A value as JSON holds it: arrays as lists, what is no number as null."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: build_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [build_json(item) for item in value]
    return value


def add_reasons(value, why="Nothing can be said of it."):
    """A part's numbers with the reason of each null, and of a rate without a value, under `NAME_reason`: its own, else
    that of the others beside it or around it. An interval without bounds is null."""
    if isinstance(value, list):
        return [add_reasons(item, why) for item in value]
    if not isinstance(value, dict):
        return value
    why = next((text for name, text in value.items() if name.endswith("_reason")), why)
    completed = {}
    for name, item in value.items():
        completed[name] = None if item == [None, None] else add_reasons(item, why)
        if completed[name] is None or (isinstance(item, dict) and item.get("value", 0) is None):
            completed[f"{name}_reason"] = value.get(f"{name}_reason", why)
    return completed


def build_rate(rate, place=()):
    """{"value", "interval", "n"} of a Rate, or of one of its places; without an n there is no value."""
    single = rate[place] if place != () else rate
    n = int(single.n)
    return {"value": float(single.value) if n else None, "interval": [float(single.low), float(single.high)], "n": n}

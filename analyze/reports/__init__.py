"""What a report says, one file for each part, found by itself.

A module here that has a LABEL is a part; its name is the module's, with hyphens. It has

    LABEL          its words as a heading
    PLACE          its place among the parts
    numbers(data)  what it says of a reading.Data, as plain values for JSON: numbers unrounded, an interval [low, high]
                   at 95 %, null for what cannot be computed, with the reason under `NAME_reason`
"""

import functools
import importlib
import math
import pkgutil

import numpy as np


@functools.cache
def all_parts():
    """{name: module} in the order of their places."""
    names = [info.name for info in pkgutil.iter_modules(__path__)]
    modules = {name.replace("_", "-"): importlib.import_module(f"{__name__}.{name}") for name in names}
    found = [(name, module) for name, module in modules.items() if hasattr(module, "LABEL")]
    return dict(sorted(found, key=lambda item: item[1].PLACE))


def plain(value):
    """A value as JSON holds it: arrays as lists, what is no number as null."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(one) for one in value]
    return value


def explained(value, why="Nothing can be said of it."):
    """A part's numbers with the reason of each null, and of a rate without a value, under `NAME_reason`: its own, else
    that of the others beside it or around it. An interval without bounds is null."""
    if isinstance(value, list):
        return [explained(one, why) for one in value]
    if not isinstance(value, dict):
        return value
    why = next((told for name, told in value.items() if name.endswith("_reason")), why)
    found = {}
    for name, one in value.items():
        found[name] = None if one == [None, None] else explained(one, why)
        if found[name] is None or (isinstance(one, dict) and one.get("value", 0) is None):
            found[f"{name}_reason"] = value.get(f"{name}_reason", why)
    return found


def rate_of(rate, place=()):
    """{"value", "interval", "n"} of a Rate, or of one of its places; without an n there is no value."""
    found = rate[place] if place != () else rate
    n = int(found.n)
    return {"value": float(found.value) if n else None, "interval": [float(found.low), float(found.high)], "n": n}

"""Every dialect that is read or written, one file each, found by itself.

A module here that has a LABEL is a format; its name is the module's, with hyphens. It may have

    SHAPE            its place among the shapes that are told apart, most specific first
    matches(keys, row)  whether a row with these lower-cased keys has this shape
    read(row)        -> rows.Row, or raises rows.Refusal
    WRITES           which of rows.Preference, Demonstration, Label and JudgmentRow it writes
    write(row)       such a row -> dict, or raises rows.Omission
    FILE, COLUMNS    the kind of file, "jsonl" unless it says otherwise, and of a table its columns
"""

import functools
import importlib
import pkgutil


@functools.cache
def load_formats():
    """{name: module}"""
    names = [info.name for info in pkgutil.iter_modules(__path__)]
    modules = {name.replace("_", "-"): importlib.import_module(f"{__name__}.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "LABEL")}


def get_readable_formats():
    """{name: module} of the shapes that can be read, in the order in which they are tried."""
    modules = [(name, module) for name, module in load_formats().items() if hasattr(module, "read")]
    return dict(sorted(modules, key=lambda item: item[1].SHAPE))


def get_writable_formats():
    """{name: module} of the dialects that can be written."""
    return {name: module for name, module in load_formats().items() if hasattr(module, "write")}


def detect(keys, row, names=None):
    """The name of the first shape (of these) that the keys have, or None. `row` is one row, to look at types."""
    candidates = names or get_readable_formats()
    return next((name for name in candidates if get_readable_formats()[name].matches(keys, row)), None)


def get_file_kind(name):
    """The kind of file that a dialect is written into: "jsonl", "csv" or "parquet"."""
    return getattr(get_writable_formats()[name], "FILE", "jsonl")

"""Every dialect that is read or written, one module each; `load_formats` discovers them.

A module here that has a LABEL is a format, named after the module with hyphens for underscores. It may define

    SHAPE               its rank in shape detection, most specific shape first
    matches(keys, row)  whether a row with these keys, lower-cased or as the file spells them, has this shape
    read(row)           -> rows.Row, or raises rows.Refusal
    KEEPS               columns, or paths of fields, of this shape that are kept as metadata
    KNOWN_WITHIN        columns whose inner fields the shape knows: those that `read` passes over are not named
    WRITES              the type of row it writes: rows.Preference, Demonstration, Label or JudgmentRow
    write(row)          such a row -> dict, or raises rows.Omission
    TRAINERS            {trainer that reads it: its settings for this dialect}, the one it was made for first; a trainer
                        that no other dialect names becomes a choice of the export page. Without it: OTHER
    TAKES_EXTRAS        True where its consumers pass over further columns (`--with`); FORMATS.md section 2, rule 6
    TAKES_TURNS         True where an answer may have several turns; other dialects leave such rows out
    FILE, COLUMNS       the kind of file, "jsonl" by default, and the columns of a table
"""

import functools
import importlib
import pkgutil
from collections.abc import Collection
from types import ModuleType
from typing import Any, Literal, Protocol, TypeAlias, cast

from datasets.formats.rows import Demonstration, JudgmentRow, Label, Preference, RawRow, Row

FileKind: TypeAlias = Literal["jsonl", "csv", "parquet"]
TABLES, OTHER = "Tables", "Other"
TRAINERS = ("TRL", "LLaMA-Factory", "Axolotl", "ms-swift", "OpenRLHF", "OpenAI", TABLES)  # the order on the page
PURPOSES = (Preference, Label, Demonstration, JudgmentRow)  # the order of a trainer's dialects


class ReadableFormat(Protocol):
    """A module that recognises and reads a shape."""

    LABEL: str
    SHAPE: int

    def matches(self, keys: set[str], row: RawRow) -> bool: ...

    def read(self, row: RawRow) -> Row: ...


class WritableFormat(Protocol):
    """A module that writes a dialect."""

    LABEL: str
    WRITES: type[Demonstration] | type[Preference] | type[Label] | type[JudgmentRow]

    def write(self, row: Any) -> RawRow: ...  # an instance of WRITES


@functools.cache
def load_formats() -> dict[str, ModuleType]:
    """{name: module} of every format."""
    names = [info.name for info in pkgutil.iter_modules(__path__)]
    modules = {name.replace("_", "-"): importlib.import_module(f"{__name__}.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "LABEL")}


def get_readable_formats() -> dict[str, ReadableFormat]:
    """{name: module} of the shapes that can be read, in the order in which detection tries them."""
    modules = [
        (name, cast(ReadableFormat, module)) for name, module in load_formats().items() if hasattr(module, "read")
    ]
    return dict(sorted(modules, key=lambda item: item[1].SHAPE))


def get_writable_formats() -> dict[str, WritableFormat]:
    """{name: module} of the dialects that can be written."""
    return {name: cast(WritableFormat, module) for name, module in load_formats().items() if hasattr(module, "write")}


def get_trainers(name: str) -> dict[str, str]:
    """{trainer: its settings} of the consumers of a dialect, the one that it was made for first."""
    trainers: dict[str, str] = getattr(get_writable_formats()[name], "TRAINERS", {OTHER: ""})
    return trainers


@functools.cache
def list_trainers() -> dict[str, list[str]]:
    """{trainer: its dialects}: preferences first, and of each kind those that were made for this trainer first."""
    found: dict[str, list[str]] = {trainer: [] for trainer in TRAINERS}
    for name in get_writable_formats():
        for trainer in get_trainers(name):
            found.setdefault(trainer, []).append(name)
    found[OTHER] = found.pop(OTHER, [])  # the last one

    def rank(trainer: str, name: str) -> tuple[int, bool, str]:
        purpose = PURPOSES.index(get_writable_formats()[name].WRITES)
        return purpose, next(iter(get_trainers(name))) != trainer, name

    return {trainer: sorted(names, key=functools.partial(rank, trainer)) for trainer, names in found.items() if names}


def detect(keys: set[str], row: RawRow, names: Collection[str] | None = None) -> str | None:
    """The name of the first shape that the keys match, or None.

    row: a sample row, whose values show the types.
    names: the shapes to try; all readable ones by default.
    """
    candidates = names or get_readable_formats()
    return next((name for name in candidates if get_readable_formats()[name].matches(keys, row)), None)


def get_file_kind(name: str) -> FileKind:
    """The kind of file that a dialect is written to."""
    return getattr(get_writable_formats()[name], "FILE", "jsonl")

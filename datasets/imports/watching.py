"""Which fields of a row a reader reads, also within the objects in it."""

from collections.abc import Iterator
from typing import Any

from datasets.formats.rows import RawRow, TableRow


class WatchedRow(dict[str, Any]):
    """A row, or an object within one, that notes which of its fields are read.

    reads: {path of an object: its fields that are read}; the path of the row is "", of an item of a list `column[]`.
    """

    def __init__(self, row: RawRow, reads: dict[str, set[str]], path: str = "") -> None:
        super().__init__(row)
        self.reads, self.path = reads, path

    def __getitem__(self, key: str) -> Any:
        return self.note(key, super().__getitem__(key))

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401

    def items(self) -> Any:
        return [(key, self[key]) for key in self]

    def values(self) -> Any:
        return [self[key] for key in self]

    def note(self, key: str, value: Any) -> Any:
        """Notes that a field is read; the value, watched as well."""
        self.reads.setdefault(self.path, set()).add(key)
        return watch(value, self.reads, f"{self.path}.{key}" if self.path else key)


def watch(value: Any, reads: dict[str, set[str]], path: str) -> Any:
    """The value; the objects in it note which of their fields are read.

    >>> reads = {}
    >>> watch([{"role": "user", "content": "Hi"}], reads, "messages")[0]["role"]
    'user'
    >>> reads
    {'messages[]': {'role'}}
    """
    if type(value) is dict:
        return WatchedRow(value, reads, path)
    if type(value) is list and any(type(item) in (dict, list) for item in value):
        return [watch(item, reads, f"{path}[]") for item in value]
    return value


class WatchedTableRow(WatchedRow, TableRow):
    """A WatchedRow of a table."""


def iter_unread_fields(
    cell: dict[str, Any] | list[Any], path: str, reads: dict[str, set[str]]
) -> Iterator[tuple[str, Any]]:
    """(path, value) of the fields within a value that are not read, except in objects none of whose fields is read.

    >>> list(iter_unread_fields([{"role": "user", "name": "ann"}], "messages", {"messages[]": {"role"}}))
    [('messages[].name', 'ann')]
    """
    if type(cell) is list:
        for item in cell:
            if type(item) is dict or type(item) is list:
                yield from iter_unread_fields(item, f"{path}[]", reads)
        return
    assert isinstance(cell, dict)
    fields = reads.get(path)
    if fields is None:
        return
    for key, value in cell.items():
        if key not in fields:
            yield f"{path}.{key}", value
        elif type(value) is dict or type(value) is list:
            yield from iter_unread_fields(value, f"{path}.{key}", reads)


def count_reads(reads: dict[str, set[str]]) -> int:
    """How many fields are read.

    >>> count_reads({"": {"prompt", "messages"}, "messages[]": {"role"}})
    3
    """
    return sum(map(len, reads.values()))

"""One row of a file, and the error for a file that cannot be read."""

from dataclasses import dataclass
from typing import Any

from datasets.formats.rows import Refusal


class FileProblem(ValueError):
    """A file that is malformed or unreadable.

    code: a reason of docs/formats.md.
    line: where the problem is, from 1; 0 if unknown.
    file: the file's name; the importer sets it.
    """

    file: str = ""

    def __init__(self, code: str, detail: str = "", line: int = 0) -> None:
        super().__init__(code)
        self.code, self.detail, self.line = code, detail.encode("utf-8", "backslashreplace").decode(), line


@dataclass(slots=True)
class Item:
    """One row of a file, before any dialect reads it.

    line: where the row begins, from 1.
    value: the row's object, or why it is refused.
    raw: the row as pages and reports show it.
    number: its position among the file's rows, from 1.
    """

    line: int
    value: dict[str, Any] | Refusal
    raw: str | dict[str, Any] | list[Any] = ""
    number: int = 0

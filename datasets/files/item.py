"""One row of a file, and what is wrong with a file."""

from dataclasses import dataclass

from datasets.formats.rows import Refusal


class FileProblem(ValueError):
    """A file that is not what it claims, or cannot be read. `code` is a reason of docs/formats.md."""

    file = ""

    def __init__(self, code, detail="", line=0):
        super().__init__(code)
        self.code, self.detail, self.line = code, detail.encode("utf-8", "backslashreplace").decode(), line


@dataclass(slots=True)
class Item:
    """One row as it stands in the file: the line where it begins, `value` an object or the refusal, `raw` what to
    show of it, `number` its place among the file's rows (from 1)."""

    line: int
    value: dict | Refusal
    raw: str | dict | list = ""
    number: int = 0

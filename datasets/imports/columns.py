"""The mapping of a file's columns to roles: drafts that wait for an admin, and the mappings that admins have saved."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from datasets.formats import mapping
from datasets.formats.guessing import guess
from datasets.formats.rows import RawRow, TableRow
from datasets.imports.spool import escape_surrogates
from datasets.models import Mapping
from datasets.text.fingerprints import hash_text

if TYPE_CHECKING:
    from annotate.models import User

ROWS_SHOWN, ROWS_KEPT, MOST_COLUMNS = 3, 50, 200  # of a draft
DRAFT_FILE = "asked.json"  # in the folder of an upload


class Draft(TypedDict):
    """A draft mapping, as DRAFT_FILE holds it.

    key: identifies the set of columns, see Mapping.
    why: a code of reasons.UNSURE.
    rows: the first rows; `is_table`: they are TableRows.
    roles: {role: column}, a guess or the saved mapping.
    shape: the format that was detected, "" if none was.
    unread: {column: rows} of the columns that this format does not read; `blocking`: those that bear on learning.
    """

    file: str
    key: str
    columns: list[str]
    why: str
    rows: list[RawRow]
    is_table: bool
    roles: dict[str, str]
    shape: str
    unread: dict[str, int]
    blocking: list[str]


class Unsure(Exception):
    """The columns of a file are ambiguous: an admin has to map them. The draft mapping is beside the files."""


def hash_columns(columns: Iterable[str]) -> str:
    """The key of a set of columns, in any order."""
    return hash_text(json.dumps(sorted(columns)))


def find_roles(columns: Iterable[str]) -> dict[str, str] | None:
    """The saved mapping {role: column} of files with these columns, if any.

    >>> find_roles(["question"]) is None
    True
    """
    return Mapping.objects.filter(key=hash_columns(columns)).values_list("roles", flat=True).first()


def save_roles(draft: Draft, roles: dict[str, str], user: "User") -> None:
    """Saves a mapping, which every later file with the same columns is read by.

    >>> save_roles({"key": hash_columns(["question"]), "columns": ["question"]}, {"prompt": "question"}, admin)
    >>> find_roles(["question"])
    {'prompt': 'question'}
    """
    values = {"columns": draft["columns"], "roles": roles, "changed_by": user}
    Mapping.objects.update_or_create(key=draft["key"], defaults=values)


def write_draft(
    folder: Path,
    name: str,
    columns: Sequence[str],
    rows: Sequence[RawRow],
    why: str,
    roles: dict[str, str] | None = None,
    shape: str = "",
    unread: dict[str, int] | None = None,
    blocking: Sequence[str] = (),
) -> None:
    """Writes the draft mapping of a file, with its first rows, to the folder of its upload.

    columns: all that the database can store.
    rows: the first ones, at least one.
    roles: guessed from the columns by default.
    Other arguments as in Draft.

    >>> write_draft(folder, "a.csv", ["question", "a"], [{"question": "2 + 2?", "a": "4"}], "unknown_shape")
    >>> read_draft(folder)["columns"]
    ['question', 'a']
    """
    draft: Draft = {
        "file": name,
        "key": hash_columns(columns),
        "columns": list(columns[:MOST_COLUMNS]),
        "why": why,
        "rows": list(rows[:ROWS_KEPT]),
        "is_table": isinstance(rows[0], TableRow),
        "roles": roles or guess(columns[:MOST_COLUMNS], why),
        "shape": shape,
        "unread": unread or {},
        "blocking": list(blocking),
    }
    (folder / DRAFT_FILE).write_text(json.dumps(draft), encoding="utf-8")


def read_draft(folder: Path) -> Draft | None:
    """The draft mapping in the folder of an upload; None if the files are gone.

    >>> read_draft(folder) is None
    True
    """
    path = folder / DRAFT_FILE
    if not path.exists():
        return None
    draft: Draft = {"shape": "", "unread": {}, "blocking": []} | json.loads(path.read_text(encoding="utf-8"))
    return {**draft, "rows": [TableRow(row) if draft["is_table"] else row for row in draft["rows"]]}


def get_first_values(draft: Draft) -> list[tuple[str, list[str]]]:
    """Each column with its values in the first rows, as text.

    >>> get_first_values({"columns": ["a", "b"], "rows": [{"a": 4}, {"a": "5", "b": None}]})
    [('a', ['4', '5']), ('b', ['null'])]
    """
    return [
        (column, [format_value(row[column]) for row in draft["rows"][:ROWS_SHOWN] if column in row])
        for column in draft["columns"]
    ]


def format_value(value: Any) -> str:
    """A JSON value as text that can be displayed."""
    return escape_surrogates(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def parse_roles(words: Iterable[str], verdicts: Iterable[str] = ()) -> dict[str, str]:
    """The mapping {role: column} that the arguments of --map give; `meta` may repeat.

    verdicts: `VALUE=ANSWER`, what values of the winner column mean.

    Raises ValueError with a code of reasons.MAPPING.

    >>> parse_roles(["prompt=Frage", "demonstration=Antwort", "meta=Fach"])
    {'prompt': 'Frage', 'demonstration': 'Antwort', 'meta_1': 'Fach'}
    """
    roles: dict[str, str] = {}
    for word in words:
        role, equals, column = word.partition("=")
        if role == "meta":
            role = f"meta_{len(mapping.get_kept(roles)) + 1}"
        if not equals or role in roles:
            raise ValueError("unknown_role" if not equals else "role_twice")
        roles[role] = column
    for word in verdicts:
        value, equals, meaning = word.rpartition("=")
        if not equals:
            raise ValueError("unknown_verdict")
        roles[f"{mapping.VERDICT}{value.strip().lower()}"] = meaning
    is_only_kept = len(mapping.get_kept(roles)) == len(roles)
    if not is_only_kept and (fault := mapping.find_fault(roles)):
        raise ValueError(fault)
    return roles

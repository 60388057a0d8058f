"""Which column of a file is what: what is asked of an admin where that is not sure, and what was answered before."""

import json

from datasets.formats import mapping
from datasets.formats.guessing import guess
from datasets.formats.rows import TableRow
from datasets.imports.spool import escape_surrogates
from datasets.models import Mapping
from datasets.text.fingerprints import hash_text

ROWS_SHOWN, MOST_COLUMNS = 3, 200  # rows, and columns that are asked about
DRAFT_FILE = "asked.json"  # beside the files of an upload


class Unsure(Exception):
    """The columns of a file are to be said by somebody; the draft mapping stands beside the files."""


def collect_columns(sample):
    """The names of all columns of these Items, in order, of which anything can be said."""
    names = dict.fromkeys(name for item in sample if isinstance(item.value, dict) for name in item.value)
    return [name for name in names if "\x00" not in name and escape_surrogates(name) == name]


def hash_columns(columns):
    return hash_text(json.dumps(sorted(columns)))


def find_roles(columns):
    """What was said of these columns before, or None."""
    return Mapping.objects.filter(key=hash_columns(columns)).values_list("roles", flat=True).first()


def save_roles(draft, roles, user):
    """Let every further file with the same columns be read so."""
    values = {"columns": draft["columns"], "roles": roles, "changed_by": user}
    Mapping.objects.update_or_create(key=draft["key"], defaults=values)


def write_draft(folder, name, sample, why, roles=None):
    """Note beside the files of an upload the draft mapping of one of them, with its first rows."""
    columns = collect_columns(sample)
    rows = [item.value for item in sample if isinstance(item.value, dict)][:ROWS_SHOWN]
    draft = {"file": name, "key": hash_columns(columns), "columns": columns[:MOST_COLUMNS], "why": why, "rows": rows}
    draft |= {"is_table": isinstance(rows[0], TableRow), "roles": roles or guess(columns[:MOST_COLUMNS], why)}
    (folder / DRAFT_FILE).write_text(json.dumps(draft), encoding="utf-8")


def read_draft(folder):
    """The draft mapping: file, columns, why, rows, roles; None where the files are gone."""
    path = folder / DRAFT_FILE
    if not path.exists():
        return None
    draft = json.loads(path.read_text(encoding="utf-8"))
    return {**draft, "rows": [TableRow(row) if draft["is_table"] else row for row in draft["rows"]]}


def get_first_values(draft):
    """[(column, its values in the first rows, as texts)]"""
    return [
        (column, [format_value(row[column]) for row in draft["rows"] if column in row]) for column in draft["columns"]
    ]


def format_value(value):
    return escape_surrogates(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def parse_roles(words):
    """{what: column} of `prompt=Frage` and the like, as a command has them. ValueError where they cannot be so."""
    roles = {}
    for word in words:
        role, equals, column = word.partition("=")
        if not equals or role in roles:
            raise ValueError("unknown_role" if not equals else "role_twice")
        roles[role] = column
    if fault := mapping.find_fault(roles):
        raise ValueError(fault)
    return roles

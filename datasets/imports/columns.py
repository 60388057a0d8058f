"""Which column of a file is what: what is asked of an admin where that is not sure, and what was answered before."""

import json

from datasets.formats import mapping
from datasets.formats.guessing import guess
from datasets.formats.rows import Table
from datasets.imports.spool import storable
from datasets.models import Mapping
from datasets.text.fingerprints import sha256

SHOWN, MOST_COLUMNS = 3, 200  # rows, and columns that are asked about
ASKED = "asked.json"  # beside the files of an upload


class Unsure(Exception):
    """The columns of a file are to be said by somebody; what is asked stands beside the files."""


def columns_of(sample):
    """The names of all columns of these Items, in order, of which anything can be said."""
    names = dict.fromkeys(name for item in sample if isinstance(item.value, dict) for name in item.value)
    return [name for name in names if "\x00" not in name and storable(name) == name]


def key_of(columns):
    return sha256(json.dumps(sorted(columns)))


def remembered(columns):
    """What was said of these columns before, or None."""
    return Mapping.objects.filter(key=key_of(columns)).values_list("roles", flat=True).first()


def remember(asked, roles, user):
    """Let every further file with the same columns be read so."""
    values = {"columns": asked["columns"], "roles": roles, "changed_by": user}
    Mapping.objects.update_or_create(key=asked["key"], defaults=values)


def note(folder, name, sample, why, roles=None):
    """Note beside the files of an upload what is asked of one of them, with its first rows."""
    columns = columns_of(sample)
    rows = [item.value for item in sample if isinstance(item.value, dict)][:SHOWN]
    asked = {"file": name, "key": key_of(columns), "columns": columns[:MOST_COLUMNS], "why": why, "rows": rows}
    asked |= {"is_table": isinstance(rows[0], Table), "roles": roles or guess(columns[:MOST_COLUMNS], why)}
    (folder / ASKED).write_text(json.dumps(asked), encoding="utf-8")


def noted(folder):
    """What is asked: file, columns, why, rows, roles; None where the files are gone."""
    path = folder / ASKED
    if not path.exists():
        return None
    asked = json.loads(path.read_text(encoding="utf-8"))
    return {**asked, "rows": [Table(row) if asked["is_table"] else row for row in asked["rows"]]}


def first_values(asked):
    """[(column, its values in the first rows, as texts)]"""
    return [(column, [spelled(row[column]) for row in asked["rows"] if column in row]) for column in asked["columns"]]


def spelled(value):
    return storable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def from_words(words):
    """{what: column} of `prompt=Frage` and the like, as a command has them. ValueError where they cannot be so."""
    roles = {}
    for word in words:
        role, equals, column = word.partition("=")
        if not equals or role in roles:
            raise ValueError("unknown_role" if not equals else "role_twice")
        roles[role] = column
    if fault := mapping.wrong(roles):
        raise ValueError(fault)
    return roles

"""Bulk operations: rows matched by one parameter, inserted by COPY (PostgreSQL) or one statement (SQLite), or selected
from other tables.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import msgspec
from django.db import connection
from django.db.models import BooleanField, DateTimeField, Field, JSONField, Model
from django.db.models.expressions import RawSQL

Values = tuple[Any, ...]  # of some fields of a row
EncodedRow = bytes | tuple[Any, ...]  # as PostgreSQL's COPY reads it, or SQLite's parameters
SpecialFields = Sequence[tuple[int, Field]]  # (index in the row, field) of values that need conversion


def match_values(model: type[Model], name: str, values: Iterable[str | int]) -> RawSQL:
    """A condition like `name__in`, but as cheap with many values as with few."""
    return RawSQL(*match_values_sql(f"{model._meta.db_table}.{get_field(model, name).column}", values), BooleanField())


def get_field(model: type[Model], name: str) -> Field:
    return cast(Field, model._meta.get_field(name))


def match_values_sql(column: str, values: Iterable[str | int]) -> tuple[str, list[Any]]:
    """The SQL condition of `match_values`, and its parameters."""
    wanted = list(values)
    if connection.vendor != "postgresql":
        return f"{column} IN (SELECT value FROM json_each(%s))", [json.dumps(wanted)]
    if not wanted:
        return "false", []
    return f"{column} = ANY(%s::{'text' if isinstance(wanted[0], str) else 'bigint'}[])", [encode_pg_array(wanted)]


def encode_pg_array(values: Sequence[str | int]) -> str:
    """A PostgreSQL array literal of strings or of numbers, not empty, a hundred times as fast as psycopg's own."""
    if not isinstance(values[0], str):
        return f"{{{','.join(map(str, values))}}}"
    texts = cast(Sequence[str], values)
    return '{"' + '","'.join([text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]) + '"}'


def reserve_ids(model: type[Model], n: int) -> list[int]:
    """N ids that no row has ever had; use them in the same transaction."""
    if not n:
        return []
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sequence = "(SELECT pg_get_serial_sequence(%s, 'id')::regclass AS name OFFSET 0) AS sequence"
            drawn = f"SELECT nextval(name) AS id FROM {sequence}, generate_series(1, %s)"
            cursor.execute(f"SELECT min(id), max(id) FROM ({drawn}) AS drawn", [table, n])
            first, last = cursor.fetchone()
            if last - first + 1 == n:
                return list(range(first, last + 1))
            cursor.execute(drawn, [table, n])  # another connection drew ids in between: take the ids one by one
            return [pk for (pk,) in cursor.fetchall()]
        # Safe, because SQLite has one writer at a time
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        last = (cursor.fetchone() or (0,))[0]
    return list(range(last + 1, last + n + 1))


def insert(model: type[Model], names: Sequence[str], rows: Iterable[Values]) -> None:
    """Bulk-inserts rows.

    names: the fields that `rows` have values of; all other fields get their defaults, and the id (if not in
        `names`) a new value.
    """
    encode_row = build_row_encoder(model, (), names)
    insert_lines(model, (), names, [((), encode_row(row)) for row in rows])


def build_row_encoder(
    model: type[Model], first: Sequence[str], names: Sequence[str]
) -> Callable[[Values], bytes] | Callable[[Values], Values]:
    """A function that encodes rows for `insert_lines`: to bytes for COPY (PostgreSQL), to a tuple (SQLite).

    first: the fields whose values `insert_lines` adds.
    names: the fields whose values the function takes. It adds the defaults of all other fields.
    """
    columns, rest = split_fields(model, first, names)
    special = [(place, field) for place, field in enumerate(columns) if isinstance(field, JSONField | DateTimeField)]
    defaults = tuple(adapt(field, field.get_default()) for field in rest)
    if connection.vendor != "postgresql":
        return lambda values: adapt_row(values, special) + defaults
    end = f"\t{encode_copy_line(defaults)}\n" if defaults else "\n"
    return lambda values: (encode_copy_line(adapt_row(values, special)) + end).encode()


def insert_lines(
    model: type[Model], first: Sequence[str], names: Sequence[str], lines: Sequence[tuple[tuple[int, ...], EncodedRow]]
) -> None:
    """Bulk-inserts encoded rows.

    first, names: as for `build_row_encoder`.
    lines: for each row the values of the fields `first`, and the encoded values of the others.
    """
    if not lines:
        return
    columns, rest = split_fields(model, first, names)
    quoted = quote_names([*(get_field(model, name) for name in first), *columns, *rest])
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            command, begin = f"COPY {model._meta.db_table} ({quoted}) FROM STDIN", b"%d\t" * len(first)
            with connection.wrap_database_errors, cursor.copy(command) as copy:
                copy.write(
                    b"".join([begin % values + line for values, line in cast("list[tuple[Values, bytes]]", lines)])
                )
        else:
            places = ", ".join(["%s"] * (len(first) + len(columns) + len(rest)))
            command = f"INSERT INTO {model._meta.db_table} ({quoted}) VALUES ({places})"
            cursor.executemany(command, [values + line for values, line in cast("list[tuple[Values, Values]]", lines)])


COPY_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\t"))


def encode_copy_line(values: Sequence[Any]) -> str:
    """The values in the text format of COPY.

    Joins them with NUL to escape all in one pass: PostgreSQL text cannot contain NUL, so no value does.
    """
    if None in values:
        return "\t".join("\\N" if value is None else encode_copy_line([value]) for value in values)
    text = "\0".join(map(str, values))
    for plain, escaped in COPY_ESCAPES:
        text = text.replace(plain, escaped)
    return text


def insert_select(model: type[Model], names: Sequence[str], query: str, parameters: Sequence[Any]) -> None:
    """Inserts the rows of a query, with the defaults of all fields not in `names`; skips rows that exist."""
    columns, rest = split_fields(model, (), names)
    defaults = [adapt(field, field.get_default()) for field in rest]
    into = f"INSERT INTO {model._meta.db_table} ({quote_names([*columns, *rest])})"
    select = f"SELECT {', '.join(['found.*', *['%s'] * len(rest)])} FROM ({query}) found WHERE true"
    with connection.cursor() as cursor:
        cursor.execute(f"{into} {select} ON CONFLICT DO NOTHING", [*defaults, *parameters])


def insert_missing(
    model: type[Model], names: Sequence[str], rows: Sequence[Values], returned: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Inserts a few rows in one statement, with the defaults of all fields not in `names`; skips rows that exist.

    Returns the values of the fields `returned` of the rows that were inserted.
    """
    if not rows:
        return []
    columns, rest = split_fields(model, (), names)
    special = [(place, field) for place, field in enumerate(columns) if isinstance(field, JSONField | DateTimeField)]
    defaults = tuple(adapt(field, field.get_default()) for field in rest)
    places = f"({', '.join(['%s'] * (len(columns) + len(rest)))})"
    into = f"INSERT INTO {model._meta.db_table} ({quote_names([*columns, *rest])})"
    back = quote_names([get_field(model, name) for name in returned])
    values = [value for row in rows for value in (*adapt_row(row, special), *defaults)]
    with connection.cursor() as cursor:
        command = f"{into} VALUES {', '.join([places] * len(rows))} ON CONFLICT DO NOTHING RETURNING {back}"
        cursor.execute(command, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def split_fields(model: type[Model], first: Sequence[str], names: Sequence[str]) -> tuple[list[Field], list[Field]]:
    """The fields in `names`, and all others except the id and those in `first`."""
    fields = {field.name: field for field in model._meta.concrete_fields}
    rest = [field for name, field in fields.items() if name not in (*first, *names) and not field.primary_key]
    return [fields[name] for name in names], rest


def quote_names(fields: Iterable[Field]) -> str:
    """The quoted column names, separated by commas."""
    return ", ".join(connection.ops.quote_name(cast(str, field.column)) for field in fields)


def adapt_row(row: Values, special: SpecialFields) -> Values:
    """The row with each value as the database takes it."""
    if not special:
        return row
    values = list(row)
    for place, field in special:
        values[place] = adapt(field, values[place])
    return tuple(values)


def adapt(field: Field, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(field, JSONField):
        return msgspec.json.encode(value).decode()
    return connection.ops.adapt_datetimefield_value(value) if isinstance(field, DateTimeField) else value

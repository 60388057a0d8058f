"""Many rows at once: asked for by one parameter, inserted on PostgreSQL by COPY, on SQLite by one statement; or made
by the database of what it has."""

import json

import msgspec
from django.db import connection
from django.db.models import BooleanField, DateTimeField, JSONField
from django.db.models.expressions import RawSQL


def match_values(model, name, values):
    """The condition that a field has one of these values: as `name__in`, but it costs nothing to have many of them."""
    return RawSQL(
        *match_values_sql(f"{model._meta.db_table}.{model._meta.get_field(name).column}", values), BooleanField()
    )


def match_values_sql(column, values):
    """The same in SQL: (condition, parameters)."""
    values = list(values)
    if connection.vendor != "postgresql":
        return f"{column} IN (SELECT value FROM json_each(%s))", [json.dumps(values)]
    if not values:
        return "false", []
    return f"{column} = ANY(%s::{'text' if isinstance(values[0], str) else 'bigint'}[])", [encode_pg_array(values)]


def encode_pg_array(values):
    """PostgreSQL's notation of an array of texts or of numbers; psycopg's own takes a hundred times as long."""
    if not isinstance(values[0], str):
        return f"{{{','.join(map(str, values))}}}"
    return '{"' + '","'.join([value.replace("\\", "\\\\").replace('"', '\\"') for value in values]) + '"}'


def reserve_ids(model, n):
    """n ids that no row has had. To be used within the transaction that asked for them."""
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
            cursor.execute(drawn, [table, n])  # somebody else has drawn meanwhile: one by one
            return [pk for (pk,) in cursor.fetchall()]
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])  # only one process at a time writes
        last = (cursor.fetchone() or (0,))[0]
    return list(range(last + 1, last + n + 1))


def insert(model, names, rows):
    """Insert rows, given as tuples of the values of these fields. All get the same default of any other field, and an
    id of their own."""
    encode_row = build_row_encoder(model, (), names)
    insert_lines(model, (), names, [((), encode_row(row)) for row in rows])


def build_row_encoder(model, first, names):
    """What makes of the values of the fields `names` what `insert_lines` inserts: on PostgreSQL bytes as COPY reads
    them, on SQLite a tuple. The defaults of other fields are in it, the values of the fields `first` come later."""
    columns, rest = split_fields(model, first, names)
    special = [(place, field) for place, field in enumerate(columns) if isinstance(field, JSONField | DateTimeField)]
    defaults = tuple(adapt(field, field.get_default()) for field in rest)
    if connection.vendor != "postgresql":
        return lambda values: adapt_row(values, special) + defaults
    end = f"\t{encode_copy_line(defaults)}\n" if defaults else "\n"
    return lambda values: (encode_copy_line(adapt_row(values, special)) + end).encode()


def insert_lines(model, first, names, lines):
    """Insert [(values of the fields `first`, which are numbers, what `build_row_encoder` has made of the others)]."""
    if not lines:
        return
    columns, rest = split_fields(model, first, names)
    quoted = quote_names([*(model._meta.get_field(name) for name in first), *columns, *rest])
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            command, begin = f"COPY {model._meta.db_table} ({quoted}) FROM STDIN", b"%d\t" * len(first)
            with connection.wrap_database_errors, cursor.copy(command) as copy:
                copy.write(b"".join([begin % values + line for values, line in lines]))
        else:
            places = ", ".join(["%s"] * (len(first) + len(columns) + len(rest)))
            command = f"INSERT INTO {model._meta.db_table} ({quoted}) VALUES ({places})"
            cursor.executemany(command, [values + line for values, line in lines])


COPY_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\t"))


def encode_copy_line(values):
    """Values as COPY reads them in its text format. All are escaped at once: none holds a NUL, which PostgreSQL does
    not take, so that it may stand between them meanwhile."""
    if None in values:
        return "\t".join("\\N" if value is None else encode_copy_line([value]) for value in values)
    text = "\0".join(map(str, values))
    for plain, escaped in COPY_ESCAPES:
        text = text.replace(plain, escaped)
    return text


def insert_select(model, names, query, parameters):
    """Insert what a query finds, with the same default of any other field; a row that is there stays."""
    columns, rest = split_fields(model, (), names)
    defaults = [adapt(field, field.get_default()) for field in rest]
    into = f"INSERT INTO {model._meta.db_table} ({quote_names([*columns, *rest])})"
    select = f"SELECT {', '.join(['found.*', *['%s'] * len(rest)])} FROM ({query}) found WHERE true"
    with connection.cursor() as cursor:
        cursor.execute(f"{into} {select} ON CONFLICT DO NOTHING", [*defaults, *parameters])


def split_fields(model, first, names):
    """(fields of these names, all others but the id and the first)"""
    fields = {field.name: field for field in model._meta.concrete_fields}
    rest = [field for name, field in fields.items() if name not in (*first, *names) and not field.primary_key]
    return [fields[name] for name in names], rest


def quote_names(fields):
    return ", ".join(connection.ops.quote_name(field.column) for field in fields)


def adapt_row(row, special):
    """The row, each value as the database takes it."""
    if not special:
        return row
    values = list(row)
    for place, field in special:
        values[place] = adapt(field, values[place])
    return tuple(values)


def adapt(field, value):
    if value is None:
        return None
    if isinstance(field, JSONField):
        return msgspec.json.encode(value).decode()
    return connection.ops.adapt_datetimefield_value(value) if isinstance(field, DateTimeField) else value

"""The rows of a Parquet file, a few at a time. Values that JSON does not have become texts."""

import contextlib
import math
import os
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from datasets.files import detect
from datasets.files.detect import FileProblem, Item, check_columns, may_swell
from datasets.formats.rows import Refused

BATCH = 16  # rows: each may be long
BUFFER = 1 << 20


def rows(file):
    """Items of a file that can be read from any place; `line` counts rows."""
    import pyarrow.parquet  # here: it takes a moment to load, and only this needs it

    number = unpacked = 0
    size = file.seek(0, os.SEEK_END)
    with damaged(pyarrow):
        table = pyarrow.parquet.ParquetFile(file, buffer_size=BUFFER)
        groups = [table.metadata.row_group(index) for index in range(table.num_row_groups)]
        may_swell(sum(group.total_byte_size for group in groups), size)
        names = table.schema_arrow.names
        check_columns(names, len(names))
        for batch in table.iter_batches(BATCH, use_threads=False):
            unpacked += batch.nbytes
            may_swell(unpacked, size)
            for index in range(batch.num_rows):
                number += 1
                value = read(names, batch.slice(index, 1))
                yield Item(number, value, "" if isinstance(value, Refused) else value)


@contextlib.contextmanager
def damaged(pyarrow):
    """What the library says of a file that is not whole, as a problem of the file."""
    try:
        yield
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: a column's name
        raise FileProblem("bad_parquet", str(error)[:300]) from None


def read(names, row):
    """The one row of a slice as an object, or the refusal."""
    if row.nbytes > detect.LONGEST_ROW:
        return Refused("row_too_long", "", f"{detect.LONGEST_ROW >> 20} MiB")
    found = {}
    for name, column in zip(names, row.columns, strict=True):
        try:
            found[name] = jsonable(column[0].as_py())
        except UnicodeDecodeError:
            return Refused("bad_unicode", name)
        except (ValueError, OverflowError) as error:  # as a moment beyond the year 9999
            return Refused("not_text", name, str(error)[:80])
    return found


def jsonable(value):
    """A value as JSON has it."""
    if isinstance(value, dict):
        return {str(key): jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(one) for one in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    is_no_json = isinstance(value, Decimal | timedelta) or (isinstance(value, float) and not math.isfinite(value))
    return str(value) if is_no_json else value

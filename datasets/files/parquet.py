"""Reads a Parquet file a few rows at a time. Values without a JSON type become strings."""

import contextlib
import math
import os
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any

from datasets.files import limits
from datasets.files.item import FileProblem, Item
from datasets.files.streams import refuse_bomb
from datasets.files.tables import check_columns
from datasets.formats.rows import Refusal

if TYPE_CHECKING:
    import pyarrow

BATCH = 16  # rows: each may be long
BUFFER = 1 << 20  # bytes


def read_items(file: IO[bytes]) -> Iterator[Item]:
    """Reads the rows of a seekable file; `line` counts rows."""
    import pyarrow.parquet  # here: it is slow to load and rarely needed

    number = unpacked = 0
    size = file.seek(0, os.SEEK_END)
    with translated_errors(pyarrow):
        table = pyarrow.parquet.ParquetFile(file, buffer_size=BUFFER)
        groups = [table.metadata.row_group(index) for index in range(table.num_row_groups)]
        refuse_bomb(sum(group.total_byte_size for group in groups), size)
        names = table.schema_arrow.names
        check_columns(names, len(names))
        for batch in table.iter_batches(BATCH, use_threads=False):
            unpacked += batch.nbytes
            refuse_bomb(unpacked, size)
            for index in range(batch.num_rows):
                number += 1
                value = read_row(names, batch.slice(index, 1))
                yield Item(number, value, "" if isinstance(value, Refusal) else value)


@contextlib.contextmanager
def translated_errors(pyarrow: ModuleType) -> Iterator[None]:
    """Turns the library's errors for a damaged file into FileProblem."""
    try:
        yield
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:  # UnicodeDecodeError: a column's name
        raise FileProblem("bad_parquet", str(error)[:300]) from None


def read_row(names: list[str], row: "pyarrow.RecordBatch") -> dict[str, Any] | Refusal:
    """The row of a batch of one as an object, or why it is refused."""
    if row.nbytes > limits.LONGEST_ROW:
        return Refusal("row_too_long", "", f"{limits.LONGEST_ROW >> 20} MiB")
    values: dict[str, Any] = {}
    for name, column in zip(names, row.columns, strict=True):
        try:
            values[name] = convert_value(column[0].as_py())
        except UnicodeDecodeError:
            return Refusal("bad_unicode", name)
        except (ValueError, OverflowError) as error:  # such as a date after the year 9999
            return Refusal("not_text", name, str(error)[:80])
    return values


def convert_value(value: Any) -> Any:
    """The value as JSON can represent it."""
    if isinstance(value, dict):
        return {str(key): convert_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [convert_value(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    is_no_json = isinstance(value, Decimal | timedelta) or (isinstance(value, float) and not math.isfinite(value))
    return str(value) if is_no_json else value

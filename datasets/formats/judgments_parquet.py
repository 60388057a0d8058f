"""Every judgment as a row of a Parquet table, the columns of `judgments-csv`."""

from datasets.formats.judgments_csv import COLUMNS as COLUMNS
from datasets.formats.rows import JudgmentRow, RawRow

LABEL = "Every judgment (Parquet)"
FILE = "parquet"
WRITES = JudgmentRow
TRAINERS = {"Tables": ""}


def write(row: JudgmentRow) -> RawRow:
    return row.columns

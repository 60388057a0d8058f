"""Every judgment as a row of a Parquet table, the columns of `judgments-csv`."""

from datasets.formats.judgments_csv import COLUMNS  # noqa: F401 - the same
from datasets.formats.rows import JudgmentRow

LABEL = "Every judgment (Parquet)"
FILE = "parquet"
WRITES = JudgmentRow


def write(row):
    return row.columns

"""Every judgment as a row of a CSV table, with texts, votes and all that was said."""

from datasets.formats.rows import JudgmentRow

LABEL = "Every judgment (CSV)"
FILE = "csv"
WRITES = JudgmentRow
COLUMNS = (
    "judgment", "comparison", "annotator", "decided_at", "seconds", "verdict", "flag", "surplus", "guideline",
    "reasons", "reason", "note", "tags", "system", "turns", "instruction", "input", "responses", "sources", "choices",
    "ratings", "said", "purpose",
)  # fmt: skip


def write(row):
    return row.columns

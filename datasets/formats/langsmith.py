"""LangSmith's datasets: `inputs` and `outputs` of each example. Read shape 18.

docs.langchain.com/langsmith: the outputs of an example are its reference answer. An example without one is a prompt.
"""

from datasets.formats import parsers
from datasets.formats.exchanges import read_exchange
from datasets.formats.rows import RawRow, Row

LABEL = "LangSmith (inputs and outputs)"
SHAPE = 18
KEEPS = frozenset(
    {"dataset_id", "source_run_id", "modified_at", "run_id", "trace_id", "parent_run_id", "run_type", "start_time",
     "end_time", "dotted_order", "latency", "total_tokens", "total_cost"}
)  # fmt: skip


def matches(keys: set[str], row: RawRow) -> bool:
    return {"inputs", "outputs"} <= keys and isinstance(row.get("inputs"), dict)


def read(row: RawRow) -> Row:
    return read_exchange(parsers.require_field(row, "inputs"), row.get("outputs"), "inputs", "outputs")

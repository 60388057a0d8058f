"""Langfuse's datasets and traces: `input` and `expectedOutput`, or `input` and `output` as objects. Read shape 18.

Langfuse: interfaces/DatasetItem. The expected output is the answer to learn; an item without one is a prompt.
"""

from datasets.formats import parsers
from datasets.formats.exchanges import read_exchange
from datasets.formats.rows import RawRow, Row

LABEL = "Langfuse (input and expected output)"
SHAPE = 18
EXPECTED = ("expectedOutput", "expected_output", "expectedoutput")
KEPT = (
    "sourceTraceId", "sourceObservationId", "datasetId", "datasetName", "createdAt", "updatedAt", "traceId",
    "projectId", "sessionId", "userId", "environment", "release", "public", "bookmarked", "externalId", "htmlPath",
    "latency", "totalCost", "observations",
)  # fmt: skip
KEEPS = frozenset([*KEPT, *(name.lower() for name in KEPT)])


def matches(keys: set[str], row: RawRow) -> bool:
    if "input" not in keys or parsers.find_prompt_key(keys) != "input":
        return False
    traced = "output" in keys and any(isinstance(row.get(key), dict) for key in ("input", "output"))
    return traced or bool(keys & set(EXPECTED))


def read(row: RawRow) -> Row:
    key = next((name for name in EXPECTED if name in row), "output")
    return read_exchange(parsers.require_field(row, "input"), row.get(key), "input", key)

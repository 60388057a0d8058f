"""HelpSteer3: context (messages), response1, response2, overall_preference from -3 to 3. Read shape 13.

Negative: the first is better; 0: a tie. The absolute value is the strength. `individual_preference`, the votes it
aggregates, is ignored.
"""

from datasets.formats import parsers
from datasets.formats.judged import build_graded_row
from datasets.formats.rows import RawRow, Response, Row

LABEL = "HelpSteer3 (two responses and a preference from -3 to 3)"
SHAPE = 13
KEEPS = frozenset({"individual_preference"})


def matches(keys: set[str], row: RawRow) -> bool:
    return {"context", "response1", "response2", "overall_preference"} <= keys


def read(row: RawRow) -> Row:
    prompt = parsers.build_prompt(parsers.parse_messages(parsers.require_field(row, "context"), "context"), "context")
    responses = [
        Response(parsers.parse_answer(parsers.require_field(row, key), key), "") for key in ("response1", "response2")
    ]
    return build_graded_row(row, prompt, responses, "overall_preference")

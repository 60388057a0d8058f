"""HelpSteer2's preferences: prompt, response_1, response_2, preference_strength from -3 to 3. Read shape 14.

Negative: the first is better; 0: a tie. The absolute value is the strength.
"""

from datasets.formats import parsers
from datasets.formats.judged import build_graded_row
from datasets.formats.rows import RawRow, Response, Row

LABEL = "HelpSteer2 (two responses and a preference from -3 to 3)"
SHAPE = 14
KEEPS = frozenset(
    {"preference_statement", "preference_elaboration", "three_most_similar_preferences",
     "all_preferences_unprocessed"}
)  # fmt: skip


def matches(keys: set[str], row: RawRow) -> bool:
    return {"prompt", "response_1", "response_2", "preference_strength"} <= keys


def read(row: RawRow) -> Row:
    responses = [
        Response(
            parsers.parse_answer(parsers.require_field(row, key), key), parsers.parse_name(row.get(source), source)
        )
        for key, source in (("response_1", "model_1"), ("response_2", "model_2"))
    ]
    return build_graded_row(row, parsers.parse_prompt(row), responses, "preference_strength")

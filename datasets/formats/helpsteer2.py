"""HelpSteer2's preferences: prompt, response_1, response_2, preference_strength from -3 to 3. Read shape 14.

Below zero the first is better, 0 is a tie; how far from it is the strength.
"""

from datasets.formats import parsers
from datasets.formats.judged import build_graded_row
from datasets.formats.rows import Response

LABEL = "HelpSteer2 (two responses and a preference from -3 to 3)"
SHAPE = 14


def matches(keys, row):
    return {"prompt", "response_1", "response_2", "preference_strength"} <= keys


def read(row):
    responses = [
        Response(
            parsers.parse_answer(parsers.require_field(row, key), key), parsers.parse_name(row.get(source), source)
        )
        for key, source in (("response_1", "model_1"), ("response_2", "model_2"))
    ]
    return build_graded_row(row, parsers.parse_prompt(row), responses, "preference_strength")

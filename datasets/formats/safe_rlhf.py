"""PKU-SafeRLHF: prompt, response_0, response_1, better_response_id, safer_response_id, counted from 0. Read shape 16.

The better one is the choice in all, the safer one a choice by the criterion `safe`.
"""

from datasets.formats import parsers
from datasets.formats.judged import build_pair_row
from datasets.formats.rows import Response

LABEL = "PKU-SafeRLHF (the better and the safer of two)"
SHAPE = 16
CRITERION = "safe"


def matches(keys, row):
    return {"prompt", "response_0", "response_1", "better_response_id"} <= keys


def read(row):
    responses = [
        Response(
            parsers.parse_answer(parsers.require_field(row, key), key),
            parsers.parse_name(row.get(f"{key}_source"), f"{key}_source"),
        )
        for key in ("response_0", "response_1")
    ]
    better = parsers.parse_scale_value(parsers.require_field(row, "better_response_id"), "better_response_id", (0, 1))
    annotator = parsers.parse_name(row.get("annotator"), "annotator")
    return build_pair_row(
        parsers.parse_prompt(row),
        responses,
        better,
        "better_response_id",
        annotator,
        also=parse_safety_vote(row, better),
    )


def parse_safety_vote(row, better):
    """What is said by the criterion, of the pair with the better one first."""
    if row.get("safer_response_id") in (None, ""):
        return ()
    safer_index = parsers.parse_scale_value(row["safer_response_id"], "safer_response_id", (0, 1))
    return ((CRITERION, "left" if safer_index == better else "right"),)

"""PKU-SafeRLHF: prompt, response_0, response_1, better_response_id, safer_response_id, counted from 0. Read shape 16.

The better one is the choice in all, the safer one a choice by the criterion `safe`.
"""

from datasets.formats import reading
from datasets.formats.judged import pair_row
from datasets.formats.rows import Response

LABEL = "PKU-SafeRLHF (the better and the safer of two)"
SHAPE = 16
CRITERION = "safe"


def matches(keys, row):
    return {"prompt", "response_0", "response_1", "better_response_id"} <= keys


def read(row):
    responses = [
        Response(
            reading.answer(reading.required(row, key), key), reading.name(row.get(f"{key}_source"), f"{key}_source")
        )
        for key in ("response_0", "response_1")
    ]
    better = reading.one_of(reading.required(row, "better_response_id"), "better_response_id", (0, 1))
    annotator = reading.name(row.get("annotator"), "annotator")
    return pair_row(reading.prompt(row), responses, better, "better_response_id", annotator, also=safer(row, better))


def safer(row, better):
    """What is said by the criterion, of the pair with the better one first."""
    if row.get("safer_response_id") in (None, ""):
        return ()
    said = reading.one_of(row["safer_response_id"], "safer_response_id", (0, 1))
    return ((CRITERION, "left" if said == better else "right"),)

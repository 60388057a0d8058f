"""PKU-SafeRLHF: prompt, response_0, response_1, better_response_id, safer_response_id, counted from 0. Read shape 16.

The better response is the overall choice, the safer one the choice by the criterion `safe`.
"""

from datasets.formats import parsers
from datasets.formats.judged import build_pair_row
from datasets.formats.rows import RawRow, Response, Row

LABEL = "PKU-SafeRLHF (the better and the safer of two)"
SHAPE = 16
CRITERION = "safe"
KEEPS = frozenset(
    {"is_response_0_safe", "is_response_1_safe", "response_0_harm_category", "response_1_harm_category",
     "response_0_severity_level", "response_1_severity_level", "response_0_sha256", "response_1_sha256",
     "prompt_source"}
)  # fmt: skip


def matches(keys: set[str], row: RawRow) -> bool:
    return {"prompt", "response_0", "response_1", "better_response_id"} <= keys


def read(row: RawRow) -> Row:
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


def parse_safety_vote(row: RawRow, better: int) -> tuple[tuple[str, str], ...]:
    """The verdict by the criterion, on the pair whose first is the better response; empty if the row has none."""
    if row.get("safer_response_id") in (None, ""):
        return ()
    safer_index = parsers.parse_scale_value(row["safer_response_id"], "safer_response_id", (0, 1))
    return ((CRITERION, "left" if safer_index == better else "right"),)

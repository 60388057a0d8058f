"""Stanford Human Preferences: history, human_ref_A, human_ref_B, and labels, 1 if A is better and 0 if B is.
Read shape 17.

The scores (readers' votes) are ignored.
"""

from datasets.formats import parsers
from datasets.formats.judged import build_pair_row
from datasets.formats.rows import Prompt, RawRow, Response, Row

LABEL = "SHP (two comments and which is better)"
SHAPE = 17
KEPT = (
    "post_id", "upvote_ratio", "c_root_id_A", "c_root_id_B", "created_at_utc_A", "created_at_utc_B", "score_A",
    "score_B", "seconds_difference", "score_ratio",
)  # fmt: skip
KEEPS = frozenset([*KEPT, *(name.lower() for name in KEPT)])


def matches(keys: set[str], row: RawRow) -> bool:
    return {"history", "human_ref_a", "human_ref_b", "labels"} <= {key.lower() for key in keys}


def read(row: RawRow) -> Row:
    spelled = {key.lower(): key for key in row}
    history, ref_a, ref_b, labels = (
        spelled.get(key, key) for key in ("history", "human_ref_a", "human_ref_b", "labels")
    )
    prompt = Prompt(parsers.parse_filled_text(parsers.require_field(row, history), history))
    responses = [Response(parsers.parse_answer(parsers.require_field(row, key), key)) for key in (ref_a, ref_b)]
    first = parsers.parse_scale_value(parsers.require_field(row, labels), labels, (0, 1))
    return build_pair_row(prompt, responses, 1 - first, "labels", parsers.parse_name(row.get("annotator"), "annotator"))

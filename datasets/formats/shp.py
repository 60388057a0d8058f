"""Stanford Human Preferences: history, human_ref_A, human_ref_B, and labels, which is 1 where A is better and 0 where
B is. Read shape 17.

The scores (votes of readers) are passed over.
"""

from datasets.formats import parsers
from datasets.formats.judged import build_pair_row
from datasets.formats.rows import Prompt, Response

LABEL = "SHP (two comments and which is better)"
SHAPE = 17


def matches(keys, row):
    return {"history", "human_ref_a", "human_ref_b", "labels"} <= {key.lower() for key in keys}


def read(row):
    row = {key.lower(): value for key, value in row.items()}
    prompt = Prompt(parsers.parse_filled_text(parsers.require_field(row, "history"), "history"))
    responses = [
        Response(parsers.parse_answer(parsers.require_field(row, key), key)) for key in ("human_ref_a", "human_ref_b")
    ]
    first = parsers.parse_scale_value(parsers.require_field(row, "labels"), "labels", (0, 1))
    return build_pair_row(prompt, responses, 1 - first, "labels", parsers.parse_name(row.get("annotator"), "annotator"))

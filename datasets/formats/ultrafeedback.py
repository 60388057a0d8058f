"""UltraFeedback: an instruction and its completions, each with a model's scores. Read shape 4.

The scores are no choices: the answers are to be compared.
"""

from datasets.formats import parsers, wide
from datasets.formats.rows import CANDIDATES, Refusal, Row

LABEL = "UltraFeedback (completions with scores)"
SHAPE = 4
SCORES = {"overall_score", "fine-grained_score", "annotations", "critique"}


def matches(keys, row):
    completions = row.get("completions")
    scored = isinstance(completions, list) and any(
        isinstance(item, dict) and item.keys() & SCORES for item in completions
    )
    return {"instruction", "completions"} <= keys and scored


def read(row):
    parsers.require_field(row, "completions")
    responses, _ = wide.parse_response_list({key: row[key] for key in ("completions", "models") if key in row})
    if len(responses) < 2:
        raise Refusal("too_few_answers", "completions")
    return Row(parsers.parse_prompt(row), responses, CANDIDATES)

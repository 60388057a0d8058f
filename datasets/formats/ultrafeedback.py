"""UltraFeedback: an instruction and its completions, each with a model's scores. Read shape 4.

Scores are not choices: the answers are candidates to compare.
"""

from datasets.formats import parsers, wide
from datasets.formats.rows import CANDIDATES, RawRow, Refusal, Row

LABEL = "UltraFeedback (completions with scores)"
SHAPE = 4
KEEPS = frozenset({"correct_answers", "incorrect_answers"})
KNOWN_WITHIN = frozenset({"completions"})
SCORES = {"overall_score", "fine-grained_score", "annotations", "critique"}


def matches(keys: set[str], row: RawRow) -> bool:
    completions = row.get("completions")
    scored = isinstance(completions, list) and any(
        isinstance(item, dict) and item.keys() & SCORES for item in completions
    )
    return {"instruction", "completions"} <= keys and scored


def read(row: RawRow) -> Row:
    parsers.require_field(row, "completions")
    responses, _ = wide.parse_response_list({key: row[key] for key in ("completions", "models") if key in row})
    if len(responses) < 2:
        raise Refusal("too_few_answers", "completions")
    return Row(parsers.parse_prompt(row), responses, CANDIDATES)

"""orca_dpo_pairs and distilabel: system, question (or input), chosen, rejected as strings. Read shape 9."""

from datasets.formats import parsers, wide
from datasets.formats.judged import build_judged_row
from datasets.formats.rows import JUDGED, Prompt, Response, Row, Vote

LABEL = "Orca DPO pairs"
SHAPE = 9


def matches(keys, row):
    asked = bool(keys & {"question", "input"}) and "instruction" not in keys
    return asked and {"system", "chosen", "rejected"} <= keys and not wide.is_pointer(keys, row)


def read(row):
    key = "question" if "question" in row else "input"
    prompt = Prompt(
        instruction=parsers.parse_filled_text(parsers.require_field(row, key), key),
        system=parsers.parse_text(row.get("system"), "system", required=False),
    )
    chosen = parsers.parse_answer(parsers.require_field(row, "chosen"), "chosen")
    rejected = parsers.parse_answer(parsers.require_field(row, "rejected"), "rejected")
    judged = build_judged_row(row, prompt, chosen, rejected)
    if row.get("status") == "tie":
        tie = Vote((0, 1), "tie", judged.votes[0].annotator)
        return Row(prompt, (Response(chosen), Response(rejected)), JUDGED, (tie,))
    return judged

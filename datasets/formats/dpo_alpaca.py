"""LLaMA-Factory's Alpaca with chosen and rejected (system, history). Read shape 10."""

from datasets.formats import parsers, wide
from datasets.formats.judged import build_judged_row
from datasets.formats.message_lists import build_history
from datasets.formats.rows import Preference

LABEL = "Alpaca ranking (LLaMA-Factory)"
SHAPE = 10
WRITES = Preference


def matches(keys, row):
    texts = {"instruction", "chosen", "rejected"} <= keys and isinstance(row.get("chosen"), str | None)
    return texts and not wide.is_pointer(keys, row)


def read(row):
    chosen = parsers.parse_answer(parsers.require_field(row, "chosen"), "chosen")
    rejected = parsers.parse_answer(parsers.require_field(row, "rejected"), "rejected")
    return build_judged_row(row, parsers.parse_prompt(row), chosen, rejected)


def write(row):
    prompt = row.prompt
    return {
        "instruction": prompt.instruction,
        "input": prompt.input,
        "chosen": row.chosen,
        "rejected": row.rejected,
        "system": prompt.system,
        "history": build_history(prompt),
    }

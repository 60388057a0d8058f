"""LLaMA-Factory's Alpaca with chosen and rejected (system, history). Read shape 10."""

from datasets.formats import reading, wide
from datasets.formats.judged import judged_row
from datasets.formats.rows import Preference
from datasets.formats.writing import history

LABEL = "Alpaca ranking (LLaMA-Factory)"
SHAPE = 10
WRITES = Preference


def matches(keys, row):
    texts = {"instruction", "chosen", "rejected"} <= keys and isinstance(row.get("chosen"), str | None)
    return texts and not wide.points(keys, row)


def read(row):
    chosen = reading.answer(reading.required(row, "chosen"), "chosen")
    rejected = reading.answer(reading.required(row, "rejected"), "rejected")
    return judged_row(row, reading.prompt(row), chosen, rejected)


def write(row):
    prompt = row.prompt
    return {
        "instruction": prompt.instruction,
        "input": prompt.input,
        "chosen": row.chosen,
        "rejected": row.rejected,
        "system": prompt.system,
        "history": history(prompt),
    }

"""LLaMA-Factory's Alpaca with chosen and rejected (system, history). Read shape 10."""

from datasets.formats import reading, wide
from datasets.formats.judged import judged_row

LABEL = "Alpaca ranking (LLaMA-Factory)"
SHAPE = 10


def matches(keys, row):
    texts = {"instruction", "chosen", "rejected"} <= keys and isinstance(row.get("chosen"), str | None)
    return texts and not wide.points(keys, row)


def read(row):
    chosen = reading.answer(reading.required(row, "chosen"), "chosen")
    rejected = reading.answer(reading.required(row, "rejected"), "rejected")
    return judged_row(row, reading.prompt(row), chosen, rejected)

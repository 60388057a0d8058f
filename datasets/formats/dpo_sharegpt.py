"""LLaMA-Factory's multi-turn ranking: conversations (or messages) and one chosen, one rejected turn. Read shape 6."""

from datasets.formats import reading
from datasets.formats.judged import judged_row, last_answer
from datasets.formats.rows import Preference
from datasets.formats.writing import conversation, turn, turns

LABEL = "ShareGPT ranking (LLaMA-Factory)"
SHAPE = 6
WRITES = Preference


def matches(keys, row):
    return {"chosen", "rejected"} <= keys and any(isinstance(row.get(key), dict) for key in ("chosen", "rejected"))


def read(row):
    chosen = last_answer(reading.messages([reading.required(row, "chosen")], "chosen"), "chosen")
    rejected = last_answer(reading.messages([reading.required(row, "rejected")], "rejected"), "rejected")
    return judged_row(row, reading.prompt(row), chosen, rejected)


def write(row):
    return {
        "conversations": conversation(turns(row.prompt)),
        "chosen": turn("assistant", row.chosen),
        "rejected": turn("assistant", row.rejected),
    }

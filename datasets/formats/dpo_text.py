"""Three strings: prompt, chosen, rejected. FORMATS.md section 3, `dpo-text`; read shape 11."""

from datasets.formats import reading, wide
from datasets.formats.judged import judged_row
from datasets.formats.rows import LeftOut, Preference
from datasets.formats.writing import user_text

LABEL = "DPO (plain text)"
SHAPE = 11
WRITES = Preference
CHOSEN = ("chosen", "chosen_response", "response_chosen")
REJECTED = ("rejected", "rejected_response", "response_rejected")


def matches(keys, row):
    judged = bool(keys & set(CHOSEN)) and bool(keys & set(REJECTED))
    return judged and not wide.points(keys, row, _key(row, CHOSEN))


def read(row):
    chosen = reading.answer(reading.required(row, *CHOSEN), _key(row, CHOSEN))
    rejected = reading.answer(reading.required(row, *REJECTED), _key(row, REJECTED))
    return judged_row(row, reading.prompt(row), chosen, rejected)


def _key(row, names):
    return next(name for name in names if name in row)


def write(row):
    if row.prompt.turns:
        raise LeftOut("needs_history")
    if row.prompt.system:
        raise LeftOut("needs_system")
    return {"prompt": user_text(row.prompt), "chosen": row.chosen, "rejected": row.rejected}

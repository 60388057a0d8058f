"""Three strings: prompt, chosen, rejected. FORMATS.md section 3, `dpo-text`; read shape 11."""

from datasets.formats import parsers, wide
from datasets.formats.judged import build_judged_row
from datasets.formats.message_lists import join_user_text
from datasets.formats.rows import Omission, Preference

LABEL = "DPO (plain text)"
SHAPE = 11
WRITES = Preference
CHOSEN = ("chosen", "chosen_response", "response_chosen")
REJECTED = ("rejected", "rejected_response", "response_rejected")


def matches(keys, row):
    judged = bool(keys & set(CHOSEN)) and bool(keys & set(REJECTED))
    return judged and not wide.is_pointer(keys, row, _find_key(row, CHOSEN))


def read(row):
    chosen = parsers.parse_answer(parsers.require_field(row, *CHOSEN), _find_key(row, CHOSEN))
    rejected = parsers.parse_answer(parsers.require_field(row, *REJECTED), _find_key(row, REJECTED))
    return build_judged_row(row, parsers.parse_prompt(row), chosen, rejected)


def _find_key(row, names):
    return next(name for name in names if name in row)


def write(row):
    if row.prompt.turns:
        raise Omission("needs_history")
    if row.prompt.system:
        raise Omission("needs_system")
    return {"prompt": join_user_text(row.prompt), "chosen": row.chosen, "rejected": row.rejected}

"""LLaMA-Factory's Alpaca with chosen and rejected (system, history). Read shape 10."""

from datasets.formats import wide
from datasets.formats.message_lists import build_history, require_alternation
from datasets.formats.pairs import read_pair
from datasets.formats.rows import Preference, RawRow, Row

LABEL = "Alpaca ranking (LLaMA-Factory)"
SHAPE = 10
WRITES = Preference
TRAINERS = {"LLaMA-Factory": '"ranking": true, "columns": {…}'}
TAKES_EXTRAS = True


def matches(keys: set[str], row: RawRow) -> bool:
    texts = {"instruction", "chosen", "rejected"} <= keys and isinstance(row.get("chosen"), str | None)
    return texts and not wide.is_pointer(keys, row)


def read(row: RawRow) -> Row:
    return read_pair(row, as_json=False)


def write(row: Preference) -> RawRow:
    prompt = row.prompt
    require_alternation(prompt)
    return {
        "instruction": prompt.instruction,
        "input": prompt.input,
        "chosen": row.chosen,
        "rejected": row.rejected,
        "system": prompt.system,
        "history": build_history(prompt),
    }

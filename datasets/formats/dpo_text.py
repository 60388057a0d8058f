"""Three strings: prompt, chosen, rejected. FORMATS.md section 3, `dpo-text`; read shape 11."""

from datasets.formats import wide
from datasets.formats.message_lists import join_user_text
from datasets.formats.pairs import read_pair
from datasets.formats.rows import Omission, Preference, RawRow, Row

LABEL = "DPO (plain text)"
SHAPE = 11
WRITES = Preference
TRAINERS = {
    "LLaMA-Factory": '"ranking": true, "columns": {…}',
    "Axolotl": "rl: dpo, type: chat_template.default, field_messages: prompt",
    "OpenRLHF": "--data.prompt_key prompt --data.apply_chat_template",
    "ms-swift": '--columns \'{"chosen": "response", "rejected": "rejected_response"}\'',
    "TRL": "DPOTrainer",
}
TAKES_EXTRAS = True
CHOSEN = ("chosen", "chosen_response", "response_chosen")
REJECTED = ("rejected", "rejected_response", "response_rejected")


def matches(keys: set[str], row: RawRow) -> bool:
    judged = bool(keys & set(CHOSEN)) and bool(keys & set(REJECTED))
    return judged and not wide.is_pointer(keys, row, find_key(row, CHOSEN))


def read(row: RawRow) -> Row:
    return read_pair(row, find_key(row, CHOSEN), find_key(row, REJECTED), as_json=False)


def find_key(row: RawRow, names: tuple[str, ...]) -> str:
    """The first of these names that is a field of the row, else the first name."""
    return next((name for name in names if name in row), names[0])


def write(row: Preference) -> RawRow:
    if row.prompt.turns:
        raise Omission("needs_history")
    if row.prompt.system:
        raise Omission("needs_system")
    return {"prompt": join_user_text(row.prompt), "chosen": row.chosen, "rejected": row.rejected}

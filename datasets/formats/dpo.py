"""TRL's explicit prompt, conversational: prompt, chosen, rejected as message lists. Read shape 7.

TRL: docs/source/dataset_formats.md. Also reads whole transcripts on both sides (UltraFeedback-binarized and
`dpo-implicit`), which share the prompt, answers of several turns on both sides, lists of messages as JSON texts, and
`rejected` as a list of several answers.
"""

from datasets.formats import parsers
from datasets.formats.message_lists import build_answer, build_messages, build_turns
from datasets.formats.pairs import read_pair
from datasets.formats.rows import Preference, RawRow, Row, TableRow

LABEL = "DPO (TRL, messages)"
SHAPE = 7
WRITES = Preference
TRAINERS = {
    "TRL": "DPOTrainer, RewardTrainer",
    "Axolotl": "rl: dpo, type: chat_template.default, field_messages: prompt",
    "OpenRLHF": "--data.prompt_key prompt --data.apply_chat_template",
}
TAKES_EXTRAS = True
TAKES_TURNS = True
KEEPS = frozenset(
    {"generation_prompt", "raw_generation_responses", "new_generations", "original_response", "score_chosen",
     "score_rejected"}
)  # fmt: skip


def matches(keys: set[str], row: RawRow) -> bool:
    if not {"chosen", "rejected"} <= keys:
        return False
    values = [row.get("chosen"), row.get("rejected")]
    if isinstance(row, TableRow) or any(isinstance(value, list) for value in values):
        return any(parsers.is_message_list(row, key) for key in ("chosen", "rejected"))
    return all(isinstance(value, str) and parsers.is_message_text(value) for value in values)


def read(row: RawRow) -> Row:
    return read_pair(row)


def write(row: Preference) -> RawRow:
    return {
        "prompt": build_messages(build_turns(row.prompt)),
        "chosen": build_messages(build_answer(row.chosen, row.chosen_turns)),
        "rejected": build_messages(build_answer(row.rejected, row.rejected_turns)),
    }

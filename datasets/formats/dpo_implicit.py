"""TRL's implicit prompt: chosen and rejected as whole transcripts, equal except for the answer.
FORMATS.md section 3, `dpo-implicit`; read as `dpo`.
"""

from datasets.formats.message_lists import build_answer, build_messages, build_turns
from datasets.formats.rows import Omission, Preference, RawRow

LABEL = "DPO (whole transcripts)"
WRITES = Preference
TRAINERS = {
    "TRL": "DPOTrainer, RewardTrainer",
    "Axolotl": "rl: dpo, type: chat_template.argilla_chat",
    "OpenRLHF": "--data.apply_chat_template",
    "ms-swift": '--columns \'{"chosen": "messages", "rejected": "rejected_messages"}\'',
}
TAKES_EXTRAS = True
TAKES_TURNS = True


def write(row: Preference) -> RawRow:
    transcript = build_turns(row.prompt)
    chosen, rejected = build_answer(row.chosen, row.chosen_turns), build_answer(row.rejected, row.rejected_turns)
    if chosen[0] == rejected[0]:  # the turns that both sides share are read as the prompt
        raise Omission("several_turns")
    return {
        "chosen": build_messages([*transcript, *chosen]),
        "rejected": build_messages([*transcript, *rejected]),
    }

"""TRL's prompt and completion as message lists: the loss covers only the answer.

FORMATS.md section 3; read as `sft`.
"""

from datasets.formats.message_lists import build_answer, build_messages, build_turns
from datasets.formats.rows import Demonstration, RawRow

LABEL = "SFT (prompt and completion, TRL)"
WRITES = Demonstration
TRAINERS = {
    "TRL": "SFTTrainer",
    "OpenRLHF": "",
}
TAKES_EXTRAS = True
TAKES_TURNS = True


def write(row: Demonstration) -> RawRow:
    return {
        "prompt": build_messages(build_turns(row.prompt)),
        "completion": build_messages(build_answer(row.answer, row.turns)),
    }

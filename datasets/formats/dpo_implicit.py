"""TRL's implicit prompt: chosen and rejected as whole transcripts, the same but for the last message. FORMATS.md
section 3, `dpo-implicit`; read as `dpo`."""

from datasets.formats.message_lists import build_messages, build_turns
from datasets.formats.rows import Preference

LABEL = "DPO (whole transcripts)"
WRITES = Preference


def write(row):
    transcript = build_turns(row.prompt)
    return {
        "chosen": build_messages([*transcript, ("assistant", row.chosen)]),
        "rejected": build_messages([*transcript, ("assistant", row.rejected)]),
    }

"""TRL's implicit prompt: chosen and rejected as whole transcripts, equal except for the last message.
FORMATS.md section 3, `dpo-implicit`; read as `dpo`.
"""

from datasets.formats.message_lists import build_messages, build_turns
from datasets.formats.rows import Preference, RawRow

LABEL = "DPO (whole transcripts)"
WRITES = Preference
TAKES_EXTRAS = True


def write(row: Preference) -> RawRow:
    transcript = build_turns(row.prompt)
    return {
        "chosen": build_messages([*transcript, ("assistant", row.chosen)]),
        "rejected": build_messages([*transcript, ("assistant", row.rejected)]),
    }

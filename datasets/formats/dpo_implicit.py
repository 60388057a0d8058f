"""TRL's implicit prompt: chosen and rejected as whole transcripts, the same but for the last message. FORMATS.md
section 3, `dpo-implicit`; read as `dpo`."""

from datasets.formats.rows import Preference
from datasets.formats.writing import messages, turns

LABEL = "DPO (whole transcripts)"
WRITES = Preference


def write(row):
    said = turns(row.prompt)
    return {
        "chosen": messages([*said, ("assistant", row.chosen)]),
        "rejected": messages([*said, ("assistant", row.rejected)]),
    }

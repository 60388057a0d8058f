"""TRL's RewardTrainer: `dpo` plus a margin. FORMATS.md section 3, `reward`.

The margin is the mean on the scale of the file that the votes come from, or else the strength of the choice.
"""

from datasets.formats import dpo
from datasets.formats.rows import Preference, RawRow

LABEL = "Reward model (messages with margin)"
WRITES = Preference
TRAINERS = {
    "TRL": "RewardTrainer",
    "OpenRLHF": "",
}
TAKES_EXTRAS = True
TAKES_TURNS = True


def write(row: Preference) -> RawRow:
    return {**dpo.write(row), "margin": float(row.strength if row.margin is None else row.margin)}

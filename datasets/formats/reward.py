"""TRL's RewardTrainer: `dpo` with a margin, which is the strength of the choice. FORMATS.md section 3, `reward`."""

from datasets.formats import dpo
from datasets.formats.rows import Preference

LABEL = "Reward model (messages with margin)"
WRITES = Preference


def write(row):
    return {**dpo.write(row), "margin": float(row.strength)}

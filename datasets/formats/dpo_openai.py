"""OpenAI's preference fine-tuning: input, preferred_output, non_preferred_output. FORMATS.md section 3."""

from datasets.formats.rows import Preference
from datasets.formats.writing import messages, turns

LABEL = "DPO (OpenAI preference)"
WRITES = Preference


def write(row):
    return {
        "input": {"messages": messages(turns(row.prompt))},
        "preferred_output": messages([("assistant", row.chosen)]),
        "non_preferred_output": messages([("assistant", row.rejected)]),
    }

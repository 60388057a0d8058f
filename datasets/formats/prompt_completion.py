"""TRL's prompt and completion as message lists: the loss is on the answer only. FORMATS.md section 3; read as `sft`."""

from datasets.formats.rows import Demonstration
from datasets.formats.writing import messages, turns

LABEL = "SFT (prompt and completion, TRL)"
WRITES = Demonstration


def write(row):
    return {"prompt": messages(turns(row.prompt)), "completion": messages([("assistant", row.answer)])}

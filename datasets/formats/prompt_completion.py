"""TRL's prompt and completion as message lists: the loss is on the answer only. FORMATS.md section 3; read as `sft`."""

from datasets.formats.message_lists import build_messages, build_turns
from datasets.formats.rows import Demonstration

LABEL = "SFT (prompt and completion, TRL)"
WRITES = Demonstration


def write(row):
    return {
        "prompt": build_messages(build_turns(row.prompt)),
        "completion": build_messages([("assistant", row.answer)]),
    }

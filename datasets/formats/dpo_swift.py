"""ms-swift: the messages with the chosen answer as the last, and the rejected one as a text. FORMATS.md section 3."""

from datasets.formats.message_lists import build_messages, build_turns
from datasets.formats.rows import Preference

LABEL = "DPO (ms-swift)"
WRITES = Preference


def write(row):
    return {
        "messages": build_messages([*build_turns(row.prompt), ("assistant", row.chosen)]),
        "rejected_response": row.rejected,
    }

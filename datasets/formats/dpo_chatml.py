"""LLaMA-Factory's ranking in OpenAI's spelling: messages, and one chosen and one rejected message. FORMATS.md section
3, `dpo-chatml`; read as `dpo-sharegpt`."""

from datasets.formats.message_lists import build_message, build_messages, build_turns
from datasets.formats.rows import Preference

LABEL = "DPO (messages, one chosen and one rejected message)"
WRITES = Preference


def write(row):
    return {
        "messages": build_messages(build_turns(row.prompt)),
        "chosen": build_message("assistant", row.chosen),
        "rejected": build_message("assistant", row.rejected),
    }

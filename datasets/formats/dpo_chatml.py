"""LLaMA-Factory's ranking in OpenAI's spelling: messages, and one chosen and one rejected message. FORMATS.md section
3, `dpo-chatml`; read as `dpo-sharegpt`."""

from datasets.formats.rows import Preference
from datasets.formats.writing import message, messages, turns

LABEL = "DPO (messages, one chosen and one rejected message)"
WRITES = Preference


def write(row):
    return {
        "messages": messages(turns(row.prompt)),
        "chosen": message("assistant", row.chosen),
        "rejected": message("assistant", row.rejected),
    }

"""LLaMA-Factory's ranking in OpenAI's spelling: messages, one chosen and one rejected message. FORMATS.md section
3, `dpo-chatml`; read as `dpo-sharegpt`.
"""

from datasets.formats.message_lists import build_message, build_messages, build_turns, require_alternation
from datasets.formats.rows import Preference, RawRow

LABEL = "DPO (messages, one chosen and one rejected message)"
WRITES = Preference
TRAINERS = {
    "Axolotl": "rl: dpo, type: chat_template.default",
    "LLaMA-Factory": '"formatting": "sharegpt", "ranking": true, "tags": {…}',
}
TAKES_EXTRAS = True


def write(row: Preference) -> RawRow:
    require_alternation(row.prompt)
    return {
        "messages": build_messages(build_turns(row.prompt)),
        "chosen": build_message("assistant", row.chosen),
        "rejected": build_message("assistant", row.rejected),
    }

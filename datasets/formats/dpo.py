"""TRL's explicit prompt, conversational: prompt, chosen, rejected as message lists. Read shape 7.

TRL: docs/source/dataset_formats.md. Read too: whole transcripts on both sides (UltraFeedback-binarized and
`dpo-implicit`), where the prompt is what both sides share.
"""

from datasets.formats import reading
from datasets.formats.judged import judged_row, last_answer
from datasets.formats.rows import Preference, Refused
from datasets.formats.writing import message, messages, turns

LABEL = "DPO (TRL, messages)"
SHAPE = 7
WRITES = Preference


def matches(keys, row):
    return {"chosen", "rejected"} <= keys and any(reading.message_list(row, key) for key in ("chosen", "rejected"))


def read(row):
    chosen = reading.messages(reading.required(row, "chosen"), "chosen")
    rejected = reading.messages(reading.required(row, "rejected"), "rejected")
    if not chosen or not rejected:
        raise Refused("empty_answer", "rejected" if chosen else "chosen")
    if len(chosen) > 1 or len(rejected) > 1:
        prompt = _shared_prompt(row, chosen, rejected)
        chosen, rejected = chosen[-1:], rejected[-1:]
    else:
        prompt = reading.prompt(row)
    return judged_row(row, prompt, last_answer(chosen, "chosen"), last_answer(rejected, "rejected"))


def _shared_prompt(row, chosen, rejected):
    """The prompt of two transcripts: every message but the last, the same on both sides."""
    if chosen[:-1] != rejected[:-1]:
        raise Refused("prompts_differ", "rejected")
    system = reading.text(row.get("system"), "system", required=False)
    shared = reading.prompt_of(chosen[:-1], "chosen", system)
    stated = row.get("prompt")
    if reading.message_list(row, "prompt"):
        differs = reading.prompt_of(reading.messages(stated, "prompt"), "prompt", system) != shared
    else:
        differs = isinstance(stated, str) and stated not in ("", shared.instruction) and not shared.turns
    if differs:
        raise Refused("prompts_differ", "prompt")
    return shared


def write(row):
    return {
        "prompt": messages(turns(row.prompt)),
        "chosen": [message("assistant", row.chosen)],
        "rejected": [message("assistant", row.rejected)],
    }

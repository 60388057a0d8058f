"""TRL's explicit prompt, conversational: prompt, chosen, rejected as message lists. Read shape 7.

TRL: docs/source/dataset_formats.md. Read too: whole transcripts on both sides (UltraFeedback-binarized and
`dpo-implicit`), where the prompt is what both sides share.
"""

from datasets.formats import parsers
from datasets.formats.judged import build_judged_row, parse_single_answer
from datasets.formats.message_lists import build_message, build_messages, build_turns
from datasets.formats.rows import Preference, Refusal

LABEL = "DPO (TRL, messages)"
SHAPE = 7
WRITES = Preference


def matches(keys, row):
    return {"chosen", "rejected"} <= keys and any(parsers.is_message_list(row, key) for key in ("chosen", "rejected"))


def read(row):
    chosen = parsers.parse_messages(parsers.require_field(row, "chosen"), "chosen")
    rejected = parsers.parse_messages(parsers.require_field(row, "rejected"), "rejected")
    if not chosen or not rejected:
        raise Refusal("empty_answer", "rejected" if chosen else "chosen")
    if len(chosen) > 1 or len(rejected) > 1:
        prompt = _build_shared_prompt(row, chosen, rejected)
        chosen, rejected = chosen[-1:], rejected[-1:]
    else:
        prompt = parsers.parse_prompt(row)
    return build_judged_row(
        row, prompt, parse_single_answer(chosen, "chosen"), parse_single_answer(rejected, "rejected")
    )


def _build_shared_prompt(row, chosen, rejected):
    """The prompt of two transcripts: every message but the last, the same on both sides."""
    if chosen[:-1] != rejected[:-1]:
        raise Refusal("prompts_differ", "rejected")
    system = parsers.parse_text(row.get("system"), "system", required=False)
    shared = parsers.build_prompt(chosen[:-1], "chosen", system)
    stated = row.get("prompt")
    if parsers.is_message_list(row, "prompt"):
        differs = parsers.build_prompt(parsers.parse_messages(stated, "prompt"), "prompt", system) != shared
    else:
        differs = isinstance(stated, str) and stated not in ("", shared.instruction) and not shared.turns
    if differs:
        raise Refusal("prompts_differ", "prompt")
    return shared


def write(row):
    return {
        "prompt": build_messages(build_turns(row.prompt)),
        "chosen": [build_message("assistant", row.chosen)],
        "rejected": [build_message("assistant", row.rejected)],
    }

"""OpenAI's preference fine-tuning: input, preferred_output, non_preferred_output. FORMATS.md section 3;
read shape 1.

The prompt is `input.messages`; tools beside them are passed over.
"""

from datasets.formats import parsers
from datasets.formats.judged import build_judged_row, parse_single_answer
from datasets.formats.message_lists import build_messages, build_turns
from datasets.formats.rows import Preference, Refusal

LABEL = "DPO (OpenAI preference)"
SHAPE = 1
WRITES = Preference


def matches(keys, row):
    return {"input", "preferred_output", "non_preferred_output"} <= keys and isinstance(row.get("input"), dict)


def read(row):
    input_field = parsers.require_field(row, "input")
    if not isinstance(input_field, dict) or "messages" not in input_field:
        raise Refusal("missing_field", "input.messages")
    prompt = parsers.build_prompt(parsers.parse_messages(input_field["messages"], "input.messages"), "input.messages")
    chosen, rejected = (
        parse_single_answer(parsers.parse_messages(parsers.require_field(row, key), key), key)
        for key in ("preferred_output", "non_preferred_output")
    )
    return build_judged_row(row, prompt, chosen, rejected, "non_preferred_output")


def write(row):
    return {
        "input": {"messages": build_messages(build_turns(row.prompt))},
        "preferred_output": build_messages([("assistant", row.chosen)]),
        "non_preferred_output": build_messages([("assistant", row.rejected)]),
    }

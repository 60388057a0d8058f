"""OpenAI's preference fine-tuning: input, preferred_output, non_preferred_output. FORMATS.md section 3;
read shape 1.

The prompt is `input.messages`; tools beside them are passed over.
"""

from datasets.formats import reading
from datasets.formats.judged import judged_row, last_answer
from datasets.formats.rows import Preference, Refused
from datasets.formats.writing import messages, turns

LABEL = "DPO (OpenAI preference)"
SHAPE = 1
WRITES = Preference


def matches(keys, row):
    return {"input", "preferred_output", "non_preferred_output"} <= keys and isinstance(row.get("input"), dict)


def read(row):
    given = reading.required(row, "input")
    if not isinstance(given, dict) or "messages" not in given:
        raise Refused("missing_field", "input.messages")
    prompt = reading.prompt_of(reading.messages(given["messages"], "input.messages"), "input.messages")
    chosen, rejected = (
        last_answer(reading.messages(reading.required(row, key), key), key)
        for key in ("preferred_output", "non_preferred_output")
    )
    return judged_row(row, prompt, chosen, rejected, "non_preferred_output")


def write(row):
    return {
        "input": {"messages": messages(turns(row.prompt))},
        "preferred_output": messages([("assistant", row.chosen)]),
        "non_preferred_output": messages([("assistant", row.rejected)]),
    }

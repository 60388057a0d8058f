"""OpenAI's preference fine-tuning: input, preferred_output, non_preferred_output. FORMATS.md section 3;
read shape 1.

The prompt is `input.messages`; `input.tools` must be empty.
"""

from datasets.formats import parsers
from datasets.formats.judged import parse_single_answer
from datasets.formats.message_lists import build_messages, build_turns
from datasets.formats.pairs import build_pair
from datasets.formats.rows import Preference, RawRow, Refusal, Response, Row

LABEL = "DPO (OpenAI preference)"
SHAPE = 1
WRITES = Preference
TRAINERS = {"OpenAI": ""}
KEEPS = frozenset({"input.parallel_tool_calls"})


def matches(keys: set[str], row: RawRow) -> bool:
    return {"input", "preferred_output", "non_preferred_output"} <= keys and isinstance(row.get("input"), dict)


def read(row: RawRow) -> Row:
    input_field = parsers.require_field(row, "input")
    if not isinstance(input_field, dict) or "messages" not in input_field:
        raise Refusal("missing_field", "input.messages")
    parsers.check_readable(input_field, "input")
    prompt = parsers.build_prompt(parsers.parse_messages(input_field["messages"], "input.messages"), "input.messages")
    chosen, rejected = (
        Response(parse_single_answer(parsers.parse_messages(parsers.require_field(row, key), key), key))
        for key in ("preferred_output", "non_preferred_output")
    )
    return build_pair(row, prompt, chosen, [rejected], "non_preferred_output")


def write(row: Preference) -> RawRow:
    return {
        "input": {"messages": build_messages(build_turns(row.prompt))},
        "preferred_output": build_messages([("assistant", row.chosen)]),
        "non_preferred_output": build_messages([("assistant", row.rejected)]),
    }

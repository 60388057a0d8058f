"""ms-swift: messages that end with the chosen answer, and the rejected one. FORMATS.md section 3, `dpo-swift`.

The rejected side is `rejected_response` (a text, a list of one message, or a list of texts) or `rejected_messages` (the
whole conversation); `query` and `response` may stand for `messages`. Rows of one file may differ in that.
"""

from datasets.formats import parsers
from datasets.formats.judged import parse_row_answer
from datasets.formats.message_lists import build_messages, build_turns, require_alternation
from datasets.formats.pairs import build_pair, parse_side
from datasets.formats.rows import Preference, Prompt, RawRow, Refusal, Response, Row
from datasets.formats.trajectories import find_divergence, parse_spoken_answer
from datasets.formats.vocabulary import CONVERSATION_KEYS

LABEL = "DPO (ms-swift)"
SHAPE = 6
WRITES = Preference
TRAINERS = {"ms-swift": ""}
TAKES_EXTRAS = True
REJECTED = ("rejected_response", "rejected_messages")
ANSWERS = ("response", "output", "answer", "completion")
CHOSEN = {"chosen", "chosen_response", "response_chosen"}


def matches(keys: set[str], row: RawRow) -> bool:
    answered = bool(keys & {*CONVERSATION_KEYS, *ANSWERS})
    return answered and bool(keys & set(REJECTED)) and not keys & CHOSEN and parsers.find_prompt_key(keys) is not None


def read(row: RawRow) -> Row:
    if several_turns := read_trajectories(row):
        prompt, better, worse = several_turns
        return build_pair(row, prompt, better, [worse], "rejected_messages")
    prompt, chosen = read_chosen(row)
    rejected: list[Response] = []
    if row.get("rejected_response"):
        context, rejected = parse_side(row, "rejected_response", as_json=False)
        if context:
            raise Refusal("not_one_answer", "rejected_response")
    if row.get("rejected_messages"):
        rejected.append(Response(parse_rejected_messages(row, prompt)))
    if not rejected:
        raise Refusal("missing_field", "rejected_response")
    return build_pair(row, prompt, Response(chosen), rejected, find_field(row))


def read_trajectories(row: RawRow) -> tuple[Prompt, Response, Response] | None:
    """(prompt, chosen, rejected) of two whole conversations that differ before their last answer; None for others."""
    key = next((name for name in CONVERSATION_KEYS if name in row), None)
    if key is None or not row.get("rejected_messages") or row.get("rejected_response"):
        return None
    if any(name in row for name in ANSWERS):
        return None
    chosen, rejected = (parsers.parse_messages(row[name], name) for name in (key, "rejected_messages"))
    place = find_divergence(chosen, rejected)
    if place is None or chosen[:-1] == rejected[:-1]:
        return None
    answers = parse_spoken_answer(chosen[place:], key), parse_spoken_answer(rejected[place:], "rejected_messages")
    return parsers.build_prompt(chosen[:place], key, parsers.parse_system(row)), *answers


def find_field(row: RawRow) -> str:
    """The column of the rejected answers of a row."""
    return next(key for key in REJECTED if row.get(key))


def read_chosen(row: RawRow) -> tuple[Prompt, str]:
    """(prompt, chosen answer): of the conversation, or of the columns of the answer and of its prompt."""
    key = next((name for name in ANSWERS if name in row), None)
    if key is not None:
        return parsers.parse_prompt(row), parse_row_answer(row, key)
    key = next((name for name in CONVERSATION_KEYS if name in row), "messages")
    transcript = parsers.parse_messages(parsers.require_field(row, key), key)
    return parsers.split_answer(transcript, key, parsers.parse_system(row))


def parse_rejected_messages(row: RawRow, prompt: Prompt) -> str:
    """The last answer of the rejected conversation. Refuses another prompt than that of the chosen one."""
    transcript = parsers.parse_messages(row["rejected_messages"], "rejected_messages")
    if len(transcript) == 1 and transcript[0][0] == "assistant":
        return parsers.parse_answer(transcript[0][1], "rejected_messages")
    other, answer = parsers.split_answer(transcript, "rejected_messages", prompt.system)
    if other._replace(input=prompt.input) != prompt:
        raise Refusal("prompts_differ", "rejected_messages")
    return answer


def write(row: Preference) -> RawRow:
    require_alternation(row.prompt)
    return {
        "messages": build_messages([*build_turns(row.prompt), ("assistant", row.chosen)]),
        "rejected_response": row.rejected,
    }

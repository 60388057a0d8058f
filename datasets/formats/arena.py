"""lmsys' Chatbot Arena and MT-Bench: conversation_a, conversation_b, winner. Read shape 2.

Both conversations must be the same but for the last answer: that is what was judged. `turn` says after which turn,
where the conversations go on. `judge` is who judged.
"""

from datasets.formats import parsers
from datasets.formats.judged import build_pair_row
from datasets.formats.rows import Refusal, Response

LABEL = "Chatbot Arena (two conversations and a winner)"
SHAPE = 2
WINNERS = {"model_a": 0, "model_b": 1, "tie": "tie"} | dict.fromkeys(
    ["tie (bothbad)", "both_bad", "bothbad"], "both_bad"
)


def matches(keys, row):
    return {"conversation_a", "conversation_b", "winner"} <= keys


def read(row):
    first, second = (parse_conversation(row, key) for key in ("conversation_a", "conversation_b"))
    prompt, answer_a = parsers.split_answer(first, "conversation_a")
    prompt_b, answer_b = parsers.split_answer(second, "conversation_b")
    if prompt != prompt_b:
        raise Refusal("prompts_differ", "conversation_b")
    responses = [
        Response(text, parsers.parse_name(row.get(key), key))
        for text, key in ((answer_a, "model_a"), (answer_b, "model_b"))
    ]
    judge = "annotator" if row.get("annotator") else "judge"
    return build_pair_row(prompt, responses, parse_verdict(row), "winner", parsers.parse_name(row.get(judge), judge))


def parse_verdict(row):
    winner = str(parsers.require_field(row, "winner")).strip().lower()
    if winner not in WINNERS:
        raise Refusal("unknown_winner", "winner", winner[:80])
    return WINNERS[winner]


def parse_conversation(row, key):
    """[(role, text), …] up to the answer that was judged."""
    messages = [
        join_parts(message, f"{key}[{n}]")
        for n, message in enumerate(parsers.parse_list(parsers.require_field(row, key), key))
    ]
    transcript = parsers.parse_messages(messages, key)
    if row.get("turn") in (None, ""):
        return transcript
    turn = parsers.parse_scale_value(row["turn"], "turn", range(1, 10_000))
    return transcript[: 2 * turn + (bool(transcript) and transcript[0][0] == "system")]


def join_parts(message, place):
    """A message; one in parts of text (the release of 140,000) with its parts joined."""
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return message
    for number, part in enumerate(message["content"]):
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            raise Refusal("not_text", f"{place}.content[{number}]")
    return {**message, "content": "".join(part["text"] for part in message["content"])}

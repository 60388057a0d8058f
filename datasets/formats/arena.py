"""lmsys' Chatbot Arena and MT-Bench: conversation_a, conversation_b, winner. Read shape 2.

Both conversations must be the same but for the last answer: that is what was judged. `turn` says after which turn,
where the conversations go on. `judge` is who judged.
"""

from datasets.formats import reading
from datasets.formats.judged import pair_row
from datasets.formats.rows import Refused, Response

LABEL = "Chatbot Arena (two conversations and a winner)"
SHAPE = 2
WINNERS = {"model_a": 0, "model_b": 1, "tie": "tie"} | dict.fromkeys(
    ["tie (bothbad)", "both_bad", "bothbad"], "both_bad"
)


def matches(keys, row):
    return {"conversation_a", "conversation_b", "winner"} <= keys


def read(row):
    first, second = (conversation(row, key) for key in ("conversation_a", "conversation_b"))
    prompt, one = reading.answered(first, "conversation_a")
    other, two = reading.answered(second, "conversation_b")
    if prompt != other:
        raise Refused("prompts_differ", "conversation_b")
    responses = [Response(text, reading.name(row.get(key), key)) for text, key in ((one, "model_a"), (two, "model_b"))]
    judge = "annotator" if row.get("annotator") else "judge"
    return pair_row(prompt, responses, verdict(row), "winner", reading.name(row.get(judge), judge))


def verdict(row):
    said = str(reading.required(row, "winner")).strip().lower()
    if said not in WINNERS:
        raise Refused("unknown_winner", "winner", said[:80])
    return WINNERS[said]


def conversation(row, key):
    """[(role, text), …] up to the answer that was judged."""
    given = [whole(message, f"{key}[{n}]") for n, message in enumerate(reading.listed(reading.required(row, key), key))]
    said = reading.messages(given, key)
    if row.get("turn") in (None, ""):
        return said
    turn = reading.one_of(row["turn"], "turn", range(1, 10_000))
    return said[: 2 * turn + (bool(said) and said[0][0] == "system")]


def whole(message, place):
    """A message; one in parts of text (the release of 140,000) with its parts joined."""
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return message
    for number, part in enumerate(message["content"]):
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            raise Refused("not_text", f"{place}.content[{number}]")
    return {**message, "content": "".join(part["text"] for part in message["content"])}

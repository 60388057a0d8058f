"""lmsys' Chatbot Arena and MT-Bench: conversation_a, conversation_b, winner. Read shape 2.

Both conversations must be equal except for the last answer, which is the one judged. If the conversations continue,
`turn` is the number of the judged turn. `judge` is the annotator.
"""

from datasets.formats import parsers
from datasets.formats.judged import Winner, build_pair_row
from datasets.formats.rows import RawRow, Refusal, Response, Row, Turn

LABEL = "Chatbot Arena (two conversations and a winner)"
SHAPE = 2
KEEPS = frozenset(
    {"anony", "openai_moderation", "toxic_chat_tag", "evaluation_session_id", "evaluation_order", "full_conversation",
     "conv_metadata", "category_tag", "is_code", "is_refusal", "dedup_tag", "judge_hash", "judge", "occupational_tags"}
)  # fmt: skip
WINNERS: dict[str, Winner] = {
    "model_a": 0,
    "model_b": 1,
    "tie": "tie",
    "tie (bothbad)": "both_bad",
    "both_bad": "both_bad",
    "bothbad": "both_bad",
}


def matches(keys: set[str], row: RawRow) -> bool:
    return {"conversation_a", "conversation_b", "winner"} <= keys


def read(row: RawRow) -> Row:
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


def parse_verdict(row: RawRow) -> Winner:
    winner = str(parsers.require_field(row, "winner")).strip().lower()
    if winner not in WINNERS:
        raise Refusal("unknown_winner", "winner", winner[:80])
    return WINNERS[winner]


def parse_conversation(row: RawRow, key: str) -> list[Turn]:
    """The turns up to the judged answer."""
    transcript = parsers.parse_messages(parsers.require_field(row, key), key)
    if row.get("turn") in (None, ""):
        return transcript
    turn = parsers.parse_scale_value(row["turn"], "turn", range(1, 10_000))
    answers = [number for number, (role, _) in enumerate(transcript) if role == "assistant"]
    return transcript[: answers[turn - 1] + 1] if turn <= len(answers) else transcript

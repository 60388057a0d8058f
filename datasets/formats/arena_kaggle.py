"""Kaggle's table of the Chatbot Arena. Read shape 3.

prompt, response_a and response_b are JSON lists of turns; winner_model_a, winner_model_b and winner_tie are 0 or 1.

Only the last answer is judged: if earlier ones differ, the two answer different prompts.
"""

from datasets.formats import parsers
from datasets.formats.judged import Winner, build_pair_row
from datasets.formats.rows import RawRow, Refusal, Response, Row, Turn

LABEL = "Chatbot Arena (Kaggle's table)"
SHAPE = 3
VERDICTS: dict[str, Winner] = {"winner_model_a": 0, "winner_model_b": 1, "winner_tie": "tie"}


def matches(keys: set[str], row: RawRow) -> bool:
    return {"prompt", "response_a", "response_b", "winner_model_a", "winner_model_b"} <= keys


def read(row: RawRow) -> Row:
    questions = parsers.parse_list(parsers.require_field(row, "prompt"), "prompt")
    answers_a, answers_b = (parse_answers(row, key, len(questions)) for key in ("response_a", "response_b"))
    if answers_a[:-1] != answers_b[:-1]:
        raise Refusal("prompts_differ", "response_b")
    transcript: list[Turn] = []
    for number, (question, text) in enumerate(zip(questions, answers_a, strict=True)):
        transcript += [("user", parsers.parse_text(question, f"prompt[{number}]")), ("assistant", text)]
    prompt, first = parsers.split_answer(transcript, "prompt")
    responses = [
        Response(text, parsers.parse_name(row.get(key), key))
        for text, key in ((first, "model_a"), (answers_b[-1], "model_b"))
    ]
    return build_pair_row(
        prompt, responses, parse_verdict(row), "winner_model_a", parsers.parse_name(row.get("annotator"), "annotator")
    )


def parse_answers(row: RawRow, key: str, turns: int) -> list[str]:
    """The answers of one side, one per turn."""
    texts = parsers.parse_list(parsers.require_field(row, key), key)
    if len(texts) != turns:
        raise Refusal("turns_differ", key, f"{len(texts)} / {turns}")
    return [parsers.parse_answer(text, f"{key}[{number}]") for number, text in enumerate(texts)]


def parse_verdict(row: RawRow) -> Winner:
    """The verdict of the only column that holds 1."""
    verdicts = [verdict for key, verdict in VERDICTS.items() if parsers.parse_scale_value(row.get(key, 0), key, (0, 1))]
    if len(verdicts) != 1:
        raise Refusal("unknown_winner", "winner_model_a")
    return verdicts[0]

"""Nectar: a dialogue as one text and its answers, each with a rank (1 is the best). Read shape 5.

Each pair of answers is an anonymous choice, as the file does not say which model ranked them; equal ranks are a tie.
"""

from typing import Any

from datasets.formats import hh, parsers, wide
from datasets.formats.judged import check_answer_count, iter_ranked_votes
from datasets.formats.rows import JUDGED, Prompt, RawRow, Refusal, Row

LABEL = "Nectar (answers with ranks)"
SHAPE = 5
KEEPS = frozenset({"num_responses", "turns", "good_natured"})


def matches(keys: set[str], row: RawRow) -> bool:
    return {"prompt", "answers"} <= keys and any(has_rank(item) for item in parse_answers(row))


def parse_answers(row: RawRow) -> list[Any]:
    """The list of answers, as JSON in a table; empty if it is missing or malformed."""
    try:
        return parsers.parse_list(row.get("answers"), "answers")
    except Refusal:
        return []


def has_rank(item: object) -> bool:
    return isinstance(item, dict) and "rank" in item


def read(row: RawRow) -> Row:
    answers = parsers.parse_list(parsers.require_field(row, "answers"), "answers")
    responses, places = wide.parse_response_list({"answers": answers})
    if len(responses) < 2:
        raise Refusal("too_few_answers", "answers")
    check_answer_count(responses, "answers")
    for item, place in zip(answers, places, strict=True):
        if not has_rank(item):
            raise Refusal("missing_field", f"{place}.rank")
    ranks = {
        number: parsers.parse_number(item["rank"], f"{place}.rank")
        for number, (item, place) in enumerate(zip(answers, places, strict=True))
    }
    annotator = parsers.parse_name(row.get("annotator"), "annotator")
    return Row(parse_prompt(row), responses, JUDGED, tuple(iter_ranked_votes(responses, ranks, annotator)))


def parse_prompt(row: RawRow) -> Prompt:
    """The prompt; a dialogue ends with an empty `Assistant:` turn, which is dropped."""
    text = row.get("prompt")
    if not isinstance(text, str) or not text.lstrip("\n").startswith("Human:"):
        return parsers.parse_prompt(row)
    transcript = hh.parse_dialogue(text, "prompt")
    if transcript[-1][0] == "assistant" and not transcript[-1][1].strip():
        transcript.pop()
    return parsers.build_prompt(transcript, "prompt")

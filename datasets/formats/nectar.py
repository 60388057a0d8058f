"""Nectar: a dialogue as one text and its answers, each with a rank (1 is best). Read shape 5.

Each two of them are a choice of nobody in particular, as the file does not say which model ranked; the same rank is a
tie.
"""

from datasets.formats import hh, parsers, wide
from datasets.formats.judged import check_answer_count, iter_ranked_votes
from datasets.formats.rows import JUDGED, Refusal, Row

LABEL = "Nectar (answers with ranks)"
SHAPE = 5


def matches(keys, row):
    return {"prompt", "answers"} <= keys and any(has_rank(item) for item in parse_answers(row))


def parse_answers(row):
    """The list of answers, in a table as JSON; empty where there is none."""
    try:
        return parsers.parse_list(row.get("answers"), "answers")
    except Refusal:
        return []


def has_rank(item):
    return isinstance(item, dict) and "rank" in item


def read(row):
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


def parse_prompt(row):
    """The prompt; a dialogue ends with `Assistant:`, where the answer would stand."""
    text = row.get("prompt")
    if not isinstance(text, str) or not text.lstrip("\n").startswith("Human:"):
        return parsers.parse_prompt(row)
    transcript = hh.parse_dialogue(text, "prompt")
    if transcript[-1][0] == "assistant" and not transcript[-1][1].strip():
        transcript.pop()
    return parsers.build_prompt(transcript, "prompt")

"""Nectar: a dialogue as one text and its answers, each with a rank (1 is best). Read shape 5.

Each two of them are a choice of nobody in particular, as the file does not say which model ranked; the same rank is a
tie.
"""

from datasets.formats import hh, reading, wide
from datasets.formats.judged import few_enough, ranked
from datasets.formats.rows import JUDGED, Refused, Row

LABEL = "Nectar (answers with ranks)"
SHAPE = 5


def matches(keys, row):
    return {"prompt", "answers"} <= keys and any(has_rank(item) for item in answers_of(row))


def answers_of(row):
    """The list of answers, in a table as JSON; empty where there is none."""
    try:
        return reading.listed(row.get("answers"), "answers")
    except Refused:
        return []


def has_rank(item):
    return isinstance(item, dict) and "rank" in item


def read(row):
    given = reading.listed(reading.required(row, "answers"), "answers")
    responses, places = wide.from_list({"answers": given})
    if len(responses) < 2:
        raise Refused("too_few_answers", "answers")
    few_enough(responses, "answers")
    for item, place in zip(given, places, strict=True):
        if not has_rank(item):
            raise Refused("missing_field", f"{place}.rank")
    ranks = {
        number: reading.number(item["rank"], f"{place}.rank")
        for number, (item, place) in enumerate(zip(given, places, strict=True))
    }
    annotator = reading.name(row.get("annotator"), "annotator")
    return Row(asked(row), responses, JUDGED, tuple(ranked(responses, ranks, annotator)))


def asked(row):
    """The prompt; a dialogue ends with `Assistant:`, where the answer would stand."""
    text = row.get("prompt")
    if not isinstance(text, str) or not text.lstrip("\n").startswith("Human:"):
        return reading.prompt(row)
    said = hh.dialogue(text, "prompt")
    if said[-1][0] == "assistant" and not said[-1][1].strip():
        said.pop()
    return reading.prompt_of(said, "prompt")

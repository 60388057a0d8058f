"""A prompt and its n responses in one row. A winner column makes it a judged choice. Read shape 19.

Answers are in numbered or lettered columns (response_1, answer_b, output_2, …) or in one list (responses,
candidates, generations, outputs) of texts or of {"model", "text"}; sources are in columns numbered alike, in a list
`models`, or in the objects. The winner is named by letter, number (from 1, or from 0 if the columns start at 0),
response column, model column or model name; `tie` and `both_bad` are verdicts.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from datasets.formats import judged, parsers
from datasets.formats.rows import CANDIDATES, JUDGED, RawRow, Refusal, Response, Row, TableRow, Vote
from datasets.formats.winners import BOTH_BAD as BOTH_BAD
from datasets.formats.winners import TIES as TIES
from datasets.formats.winners import find_strength as find_strength
from datasets.formats.winners import find_winner as find_winner
from datasets.formats.winners import is_undecided

LABEL = "Wide (a prompt and its answers in a row)"
SHAPE = 19
LABEL_PATTERN = r"(?:[_ -]?(?P<number>\d{1,3})|[_ -](?P<letter>[A-Za-z])|(?P<capital>[A-Z]))"
ANSWER_COLUMN = re.compile(rf"(?i:response|answer|output|completion|candidate|generation){LABEL_PATTERN}")
SOURCE_COLUMN = re.compile(rf"(?i:model|source|generator){LABEL_PATTERN}")
LISTS = ("responses", "candidates", "generations", "outputs", "completions", "answers")
SOURCE_LISTS = ("models", "sources", "generation_models")
WINNERS = ("winner", "preference", "preferred", "better", "chosen", "chosen_response", "response_chosen")


def find_columns(keys: Iterable[str], pattern: re.Pattern[str]) -> dict[str, str]:
    """{label: column} of the numbered or lettered columns, sorted by label; cached, do not change it."""
    return match_columns(tuple(keys), pattern)


@lru_cache(maxsize=8)  # the rows of a file have the same columns
def match_columns(keys: tuple[str, ...], pattern: re.Pattern[str]) -> dict[str, str]:
    columns = {match[match.lastgroup or 0].lower(): key for key in keys if (match := pattern.fullmatch(key))}
    return dict(sorted(columns.items(), key=lambda item: (len(item[0]), item[0])))


@lru_cache(maxsize=8)
def classify_columns(keys: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str], str | None]:
    """(answer columns, source columns, the winner's column) of a row with these keys; cached, do not change it."""
    return match_columns(keys, ANSWER_COLUMN), match_columns(keys, SOURCE_COLUMN), find_verdict_key(keys)


def find_verdict_key(keys: Iterable[str]) -> str | None:
    """The winner's column among these, or None.

    >>> find_verdict_key(["prompt", "response_a", "response_b", "preference"])
    'preference'
    """
    present = set(keys)
    return next((name for name in WINNERS if name in present), None)


def matches(keys: set[str], row: RawRow) -> bool:
    answered = len(find_columns(keys, ANSWER_COLUMN)) >= 2 or bool(keys & set(LISTS))
    arena = {"winner_model_a", "winner_model_b"} <= keys  # another shape: its cells hold whole conversations
    return answered and not arena and parsers.find_prompt_key(keys) is not None


def is_pointer(keys: Iterable[str], row: RawRow, key: str = "chosen") -> bool:
    """Whether this field only names one of the row's numbered answers, as a winner column does."""
    columns, sources = find_columns(keys, ANSWER_COLUMN), find_columns(keys, SOURCE_COLUMN)
    choice = str(row.get(key, "")).strip().lower()
    names = [*columns.values(), *sources.values(), *(str(row.get(source)) for source in sources.values())]
    is_named = len(choice) == 1 or choice.isdecimal() or choice in {name.lower() for name in names}
    return len(columns) >= 2 and (is_named or choice in TIES + BOTH_BAD)


def read(row: RawRow) -> Row:
    columns, sources, key = classify_columns(tuple(row))
    responses, names = parse_response_columns(row, columns, sources) if columns else parse_response_list(row)
    if len(responses) < 2:
        raise Refusal("too_few_answers", names[0] if names else "responses")
    prompt = parsers.parse_prompt(row)
    if any(response.text[:1] == " " for response in responses):
        responses = tuple(r._replace(text=parsers.drop_blank(row, r.text)) for r in responses)
    if key is None or is_undecided(row[key]):
        return Row(prompt, responses, CANDIDATES)
    annotator = parsers.parse_name(row.get("annotator"), "annotator")
    verdict = find_winner(row[key], key, responses, list(columns), names, sources)
    votes = build_votes(verdict, key, responses, annotator, find_strength(row[key]))
    return Row(prompt, responses, JUDGED, votes)


def parse_response_columns(
    row: RawRow, columns: dict[str, str], sources: dict[str, str]
) -> tuple[tuple[Response, ...], list[str]]:
    """(responses, column names) of numbered columns.

    columns, sources: {label: column}.

    Drops trailing nulls and a table's empty cells after the second answer.
    """
    labels = list(columns)
    while len(labels) > 2 and not has_value(row, columns[labels[-1]]):
        labels.pop()
    places = [(columns[label], sources.get(label)) for label in labels]
    responses = [
        Response(parsers.parse_answer(row[column], column), parsers.parse_name(row[source], source) if source else "")
        for column, source in places
    ]
    return tuple(responses), [column for column, _ in places]


def has_value(row: RawRow, column: str) -> bool:
    """Whether a row has a value in this column; null and a table's empty cell are none."""
    return row.get(column) not in ((None, "") if isinstance(row, TableRow) else (None,))


def parse_response_list(row: RawRow) -> tuple[tuple[Response, ...], list[str]]:
    """(responses, their paths) of the list that holds them."""
    key = next((name for name in LISTS if name in row), None)
    if key is None:
        raise Refusal("missing_field", "responses")
    items = parsers.parse_list(row[key], key)
    if "labels" in row and has_steps(row, len(items)):
        raise Refusal("steps", key)
    source_key = next((name for name in SOURCE_LISTS if name in row), "")
    sources = parsers.parse_list(row[source_key], source_key) if source_key else [""] * len(items)
    if len(sources) != len(items):
        raise Refusal("lengths_differ", source_key, f"{len(sources)} / {len(items)}")
    places = [f"{key}[{number}]" for number in range(len(items))]
    responses = [
        parse_response(item, place) if isinstance(item, dict | list) else Response(parsers.parse_answer(item, place))
        for item, place in zip(items, places, strict=True)
    ]
    named = zip(responses, sources, strict=True)
    return tuple(Response(r.text, r.source or parsers.parse_name(s, source_key)) for r, s in named), places


def has_steps(row: RawRow, n: int) -> bool:
    """Whether the `n` answers are the steps of one: `labels` says of each whether it is right (TRL's PRM trainer)."""
    try:
        labels = parsers.parse_list(parsers.peek_value(row, "labels"), "labels")
    except Refusal:
        return False
    return len(labels) == n > 0 and all(label in (True, False, 1, 0, -1, "+", "-") for label in labels)


def parse_response(item: dict[str, Any] | list[Any], place: str) -> Response:
    """The response of an object, {"model", "text"} under any of the usual names, or of a list of one message."""
    if isinstance(item, list):
        return Response(judged.parse_single_answer(parsers.parse_messages(item, place), place))
    parsers.check_readable(item, place)
    key = next((name for name in ("text", "response", "content", "output", "answer") if name in item), None)
    if key is None:
        raise Refusal("missing_field", f"{place}.text")
    source = next((name for name in ("model", "source", "generator") if name in item), "source")
    words = parsers.parse_content(item[key], f"{place}.{key}")
    return Response(
        parsers.parse_answer(words, f"{place}.{key}"), parsers.parse_name(item.get(source), f"{place}.{source}")
    )


def build_votes(
    verdict: judged.Winner, field: str, responses: Sequence[Response], annotator: str, strength: int = 1
) -> tuple[Vote, ...]:
    """The votes for the winner over each other response, or for a tie or both bad on each pair."""
    judged.check_answer_count(responses, field)
    n = len(responses)
    pairs: list[tuple[tuple[int, int], str]]
    if isinstance(verdict, str):
        pairs = [((i, j), verdict) for i in range(n) for j in range(i + 1, n)]
    else:
        pairs = [((verdict, j), "left") for j in range(n) if j != verdict]
    for (i, j), _ in pairs:
        if responses[i].text == responses[j].text:
            raise Refusal("same_answer", field)
    return tuple(Vote(pair, outcome, annotator, strength=strength) for pair, outcome in pairs)

"""Argilla's records as JSON: fields are texts, responses are the users' replies to questions. Read shape 18.

Argilla 2.8: records/_io, `to_json`. A question is a choice if its values are names of fields, a single one or a
ranking, or if its name says that it is a preference and its values name answers as a `winner` does (wide.py). The first
such question counts; ratings, comments and suggestions are ignored. Answers of records without a choice are candidates
to compare.
"""

import re
from collections.abc import Iterator
from typing import Any

from datasets.formats import parsers, wide
from datasets.formats.judged import iter_ranked_votes
from datasets.formats.rows import CANDIDATES, JUDGED, RawRow, Refusal, Response, Row, Vote

LABEL = "Argilla (records with fields and responses)"
SHAPE = 18
KEEPS = frozenset({"suggestions", "vectors", "_server_id", "external_id"})
PROMPT_FIELDS = {*parsers.PROMPT_KEYS, "messages", "conversation", "conversations", "system", "input", "history"}
LONGEST_NAME = 200  # characters of a question's name
PREFERENCES = {"winner", "preference", "preferred", "better", "best", "chosen", "choice"}


def matches(keys: set[str], row: RawRow) -> bool:
    return {"fields", "responses"} <= keys and isinstance(row.get("fields"), dict)


def read(row: RawRow) -> Row:
    fields = parse_object(parsers.require_field(row, "fields"), "fields")
    columns = wide.find_columns(fields, wide.ANSWER_COLUMN) or {
        name: name for name in fields if name not in PROMPT_FIELDS
    }
    if not columns:
        raise Refusal("too_few_answers", "fields")
    sources = wide.find_columns(parse_object(row.get("metadata"), "metadata"), wide.SOURCE_COLUMN)
    responses = tuple(
        Response(
            parsers.parse_answer(fields[name], f"fields.{name}"),
            parsers.parse_name(row["metadata"][sources[label]], f"metadata.{sources[label]}")
            if label in sources
            else "",
        )
        for label, name in columns.items()
    )
    places = index_answers(columns)
    answered_questions = iter_questions(row)
    votes = next(
        (
            question_votes
            for question in answered_questions
            if (question_votes := build_question_votes(*question, responses, columns, places))
        ),
        (),
    )
    return Row(parsers.parse_prompt(fields), responses, JUDGED if votes else CANDIDATES, votes)


def parse_object(value: object, field: str) -> dict[str, Any]:
    """An object; the empty one for null."""
    if not isinstance(value, dict | None):
        raise Refusal("missing_field", field)
    return value or {}


def iter_questions(row: RawRow) -> Iterator[tuple[str, list[tuple[Any, str]]]]:
    """(path, [(value, user), …]) of each question."""
    for name, entries in parse_object(row.get("responses"), "responses").items():
        place = f"responses.{name[:LONGEST_NAME]}"
        listed = parsers.parse_list(entries or [], place)
        records = [parse_object(record, f"{place}[{n}]") for n, record in enumerate(listed)]
        values = [
            (record.get("value"), parsers.parse_name(record.get("user_id"), f"{place}.user_id"))
            for record in records
            if record.get("status") in (None, "submitted")
        ]
        yield place, values


def index_answers(columns: dict[str, str]) -> dict[str, int]:
    """{lower-cased name of a field: its index among the answers}; of names that differ only in case, the first."""
    places: dict[str, int] = {}
    for place, name in enumerate(columns.values()):
        places.setdefault(name.lower(), place)
    return places


def build_question_votes(
    place: str,
    user_values: list[tuple[Any, str]],
    responses: tuple[Response, ...],
    columns: dict[str, str],
    places: dict[str, int],
) -> tuple[Vote, ...]:
    """The votes of a question; none if it is not a choice.

    place: the path of the question.
    user_values: [(value, user), …].
    columns: {label: name of the field} of the answers.
    places: {lower-cased name of the field: index of the answer}.
    """
    asks = PREFERENCES & set(re.split(r"[^a-z]+", place.lower()))
    votes: list[Vote] = []
    for value, user in user_values:
        if ranks := parse_ranking(value, places, place):
            votes += iter_ranked_votes(responses, ranks, user)
        elif isinstance(value, str) and value.lower() in places:
            votes += wide.build_votes(places[value.lower()], place, responses, user)
        elif value is not None and asks:
            verdict = wide.find_winner(value, place, responses, list(columns), [*columns.values()], {})
            votes += wide.build_votes(verdict, place, responses, user)
    return tuple(votes)


def parse_ranking(value: object, places: dict[str, int], place: str) -> dict[int, float]:
    """{index of the answer: rank} of a ranking; empty if the value is not one.

    value: names of fields, best first, or {"rank", "value"} objects as in older exports.
    """
    if not isinstance(value, list):
        return {}
    items = [item if isinstance(item, dict) else {"value": item, "rank": n} for n, item in enumerate(value)]
    names = [str(item.get("value")).lower() for item in items]
    if not places.keys() >= set(names):
        return {}
    ranks = [parsers.parse_number(item.get("rank"), f"{place}.rank") for item in items]
    return {places[name]: rank for name, rank in zip(names, ranks, strict=True)}

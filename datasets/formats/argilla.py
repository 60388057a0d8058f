"""Argilla's records as JSON: fields are texts, responses are what each user said. Read shape 18.

Argilla 2.8: records/_io, `to_json`. A question is a choice where its values are names of fields, one or in an order,
or where it is called a preference and its values name answers as a `winner` does (wide.py). The first such question
counts; stars, comments and suggestions are passed over. Records that nobody has judged are to be compared.
"""

import re

from datasets.formats import reading, wide
from datasets.formats.judged import ranked
from datasets.formats.rows import CANDIDATES, JUDGED, Refused, Response, Row

LABEL = "Argilla (records with fields and responses)"
SHAPE = 18
ASKED = {*reading.PROMPT_KEYS, "messages", "conversation", "conversations", "system", "input", "history"}
SHOWN = 200  # characters of a question's name
PREFERENCES = {"winner", "preference", "preferred", "better", "best", "chosen", "choice"}


def matches(keys, row):
    return {"fields", "responses"} <= keys and isinstance(row.get("fields"), dict)


def read(row):
    fields = of_names(reading.required(row, "fields"), "fields")
    columns = wide.numbered(fields, wide.ANSWER_COLUMN) or {name: name for name in fields if name not in ASKED}
    if not columns:
        raise Refused("too_few_answers", "fields")
    sources = wide.numbered(of_names(row.get("metadata"), "metadata"), wide.SOURCE_COLUMN)
    responses = tuple(
        Response(
            reading.answer(fields[name], f"fields.{name}"),
            reading.name(row["metadata"][sources[label]], f"metadata.{sources[label]}") if label in sources else "",
        )
        for label, name in columns.items()
    )
    places = places_of(columns)
    asked = questions(row)
    votes = next((found for question in asked if (found := votes_of(*question, responses, columns, places))), ())
    return Row(reading.prompt(fields), responses, JUDGED if votes else CANDIDATES, votes)


def of_names(value, field):
    """An object, or the empty one for nothing."""
    if not isinstance(value, dict | None):
        raise Refused("missing_field", field)
    return value or {}


def questions(row):
    """(its place, [(what was said, by whom), …]) of each question."""
    for name, given in of_names(row.get("responses"), "responses").items():
        place = f"responses.{name[:SHOWN]}"
        said = [of_names(one, f"{place}[{n}]") for n, one in enumerate(reading.listed(given or [], place))]
        yield place, [(one.get("value"), reading.name(one.get("user_id"), f"{place}.user_id")) for one in said]


def places_of(columns):
    """{lower-cased name of a field: its place among the answers}; of two that are spelled alike, the first."""
    found = {}
    for place, name in enumerate(columns.values()):
        found.setdefault(name.lower(), place)
    return found


def votes_of(place, said, responses, columns, places):
    """The votes of a question; none where it asks for no choice."""
    asks = PREFERENCES & set(re.split(r"[^a-z]+", place.lower()))
    votes = []
    for value, user in said:
        if ranks := order(value, places, place):
            votes += ranked(responses, ranks, user)
        elif isinstance(value, str) and value.lower() in places:
            votes += wide.votes(places[value.lower()], place, responses, user)
        elif value is not None and asks:
            verdict = wide.winner(value, place, responses, list(columns), [*columns.values()], {})
            votes += wide.votes(verdict, place, responses, user)
    return tuple(votes)


def order(value, places, place):
    """{index: rank} of names of fields in an order (the best first), or of {"rank", "value"} as older exports have."""
    if not isinstance(value, list):
        return {}
    items = [item if isinstance(item, dict) else {"value": item, "rank": n} for n, item in enumerate(value)]
    said = [str(item.get("value")).lower() for item in items]
    if not places.keys() >= set(said):
        return {}
    ranks = [reading.number(item.get("rank"), f"{place}.rank") for item in items]
    return {places[name]: rank for name, rank in zip(said, ranks, strict=True)}

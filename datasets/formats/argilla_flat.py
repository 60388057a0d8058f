"""Argilla's records as flat rows: fields are columns, and each question has `.responses`, `.responses.users` and
`.responses.status`. Read shape 18.

Argilla 2.8: records/_io, `to_list(flatten=True)`, and its tables. Questions mean what they mean in `argilla`; only
responses that were submitted count. Suggestions and the questions that are no choice are kept as metadata.
"""

from collections.abc import Iterator
from typing import Any

from datasets.formats import parsers, wide
from datasets.formats.argilla import build_question_votes, index_answers
from datasets.formats.rows import CANDIDATES, JUDGED, RawRow, Refusal, Response, Row, Vote

LABEL = "Argilla (flat records)"
SHAPE = 18
QUESTION, SUGGESTION = ".responses", ".suggestion"
COUNTED = ("submitted", "", "none")  # the status of a response; records without one are submitted
KEEPS = frozenset({"_server_id", "external_id"})


def matches(keys: set[str], row: RawRow) -> bool:
    return any(key.endswith(QUESTION) and f"{key}.users" in keys for key in keys)


def read(row: RawRow) -> Row:
    questions = [key for key in row if key.endswith(QUESTION)]
    columns = find_answers(row, questions)
    if len(columns) < 2:
        raise Refusal("too_few_answers", next(iter(columns.values()), "response_1"))
    sources = wide.find_columns(row, wide.SOURCE_COLUMN)
    responses = tuple(
        Response(
            parsers.parse_answer(row[name], name),
            parsers.parse_name(row[sources[label]], sources[label]) if label in sources else "",
        )
        for label, name in columns.items()
    )
    places = index_answers(columns)
    votes: tuple[Vote, ...] = ()
    meta: dict[str, Any] = {key: row[key] for key in row if SUGGESTION in key and row[key] not in (None, "", [])}
    for question in questions:
        values = list(iter_submitted(row, question))
        found = () if votes else build_question_votes(question, values, responses, columns, places)
        votes = votes or found
        if not found and values:
            meta[question] = [value for value, _ in values]
    prompt = parsers.parse_prompt(row)
    return Row(prompt, responses, JUDGED if votes else CANDIDATES, votes, meta=meta or None)


def find_answers(row: RawRow, questions: list[str]) -> dict[str, str]:
    """{label: column} of the answers: the numbered columns, or else those that the responses name."""
    if columns := wide.find_columns([key for key in row if "." not in key], wide.ANSWER_COLUMN):
        return columns
    named: dict[str, str] = {}
    for question in questions:
        for value, _ in iter_submitted(row, question):
            items = value if isinstance(value, list) else [value]
            names = [item.get("value") if isinstance(item, dict) else item for item in items]
            named |= {name: name for name in names if isinstance(name, str) and name in row}
    return named


def iter_submitted(row: RawRow, question: str) -> Iterator[tuple[Any, str]]:
    """(value, user) of each submitted response to a question."""
    values = parse_optional_list(row, question)
    users = parse_optional_list(row, f"{question}.users") or [""] * len(values)
    statuses = parse_optional_list(row, f"{question}.status") or [""] * len(values)
    if not len(values) == len(users) == len(statuses):
        raise Refusal("lengths_differ", f"{question}.users", f"{len(users)} / {len(values)}")
    for value, user, status in zip(values, users, statuses, strict=True):
        if str(status or "").lower() in COUNTED:
            yield value, parsers.parse_name(user, f"{question}.users")


def parse_optional_list(row: RawRow, key: str) -> list[Any]:
    """The list in a column; empty where the row has none."""
    value = row.get(key)
    return [] if value in (None, "") else parsers.parse_list(value, key)

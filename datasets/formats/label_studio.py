"""Label Studio's tasks as JSON (`data` and `annotations`) and as JSON-MIN (one annotation a row). Read shape 18.

Label Studio 1.x: docs/source/guide/export.md and tags/pairwise.md. A result of the type `pairwise` says which side is
better, the first answer being the left one; a result of the type `choices` is a verdict if its value names an answer,
or if its name says that it is a preference and its value names an answer as a `winner` does (wide.py). The first
verdict of an annotation counts. Cancelled annotations and predictions do not.
"""

import re
from collections.abc import Mapping
from typing import Any

from datasets.formats import parsers, wide
from datasets.formats.argilla import PREFERENCES
from datasets.formats.judged import Winner
from datasets.formats.rows import CANDIDATES, JUDGED, RawRow, Refusal, Response, Row, Vote

LABEL = "Label Studio (tasks with annotations)"
SHAPE = 18
TEXT_COLUMN = re.compile(rf"(?i:text|option|summary){wide.LABEL_PATTERN}")
MIN_KEYS = {"annotation_id", "lead_time"}
KNOWN_WITHIN = frozenset({"annotations", "completions"})
KEEPS = frozenset(
    {"predictions", "drafts", "agreement", "inner_id", "total_annotations", "cancelled_annotations",
     "total_predictions", "comment_count", "unresolved_comment_count", "last_comment_updated_at", "project",
     "updated_by", "comment_authors", "file_upload", "annotation_id", "lead_time", "allow_skip",
     "precomputed_agreement"}
)  # fmt: skip


def matches(keys: set[str], row: RawRow) -> bool:
    nested = {"data", "annotations"} <= keys and isinstance(row.get("data"), dict)
    flat = keys >= MIN_KEYS and len(find_answer_columns(dict.fromkeys(keys, ""))) >= 2
    return nested or (flat and parsers.find_prompt_key(keys) is not None)


def find_answer_columns(fields: Mapping[str, Any]) -> dict[str, str]:
    """{label: column} of the answers."""
    columns = wide.find_columns(fields, wide.ANSWER_COLUMN)
    return columns if len(columns) >= 2 else wide.find_columns(fields, TEXT_COLUMN)


def read(row: RawRow) -> Row:
    return read_task(row) if "annotations" in row else read_annotation(row)


def read_task(row: RawRow) -> Row:
    """The row of a task with all its annotations, each a vote."""
    data = parsers.require_field(row, "data")
    if not isinstance(data, dict):
        raise Refusal("missing_field", "data")
    columns, responses = parse_responses(data, "data.")
    votes: list[Vote] = []
    for number, annotation in enumerate(parsers.parse_list(row["annotations"] or [], "annotations")):
        place = f"annotations[{number}]"
        if not isinstance(annotation, dict):
            raise Refusal("missing_field", place)
        if not annotation.get("was_cancelled"):
            verdict = find_result(annotation, place, columns, responses)
            if verdict is not None:
                votes += wide.build_votes(verdict, place, responses, parse_annotator(annotation, place))
    return Row(parsers.parse_prompt(data), responses, JUDGED if votes else CANDIDATES, tuple(votes))


def parse_responses(fields: RawRow, prefix: str = "") -> tuple[dict[str, str], tuple[Response, ...]]:
    """({label: column}, the answers) of the fields of a task; `prefix` is the path of the fields."""
    columns = find_answer_columns(fields)
    if len(columns) < 2:
        raise Refusal("too_few_answers", prefix.rstrip(".") or "answer1")
    sources = wide.find_columns(fields, wide.SOURCE_COLUMN)
    responses = tuple(
        Response(
            parsers.parse_answer(fields[name], prefix + name),
            parsers.parse_name(fields[sources[label]], prefix + sources[label]) if label in sources else "",
        )
        for label, name in columns.items()
    )
    return columns, responses


def parse_annotator(annotation: RawRow, place: str) -> str:
    """Who made an annotation: the e-mail address if the export has it, else the number."""
    user = annotation.get("completed_by")
    if isinstance(user, dict):
        user = user.get("email") or user.get("username") or user.get("id")
    return parsers.parse_name(user, f"{place}.completed_by")


def find_result(
    annotation: RawRow, place: str, columns: dict[str, str], responses: tuple[Response, ...]
) -> Winner | None:
    """The verdict of the first result that is one; None if there is none."""
    for number, result in enumerate(parsers.parse_list(annotation.get("result") or [], f"{place}.result")):
        value = result.get("value") if isinstance(result, dict) else None
        if isinstance(value, dict):
            field = f"{place}.result[{number}]"
            verdict = find_choice(str(result.get("from_name")), value, field, columns, responses)
            if verdict is not None:
                return verdict
    return None


def find_choice(
    name: str, value: RawRow, field: str, columns: dict[str, str], responses: tuple[Response, ...]
) -> Winner | None:
    """The verdict of one control; None if it is not about which answer is better.

    name: of the control.
    """
    if selected := value.get("selected"):
        if len(responses) != 2:
            raise Refusal("unknown_winner", field, str(selected)[:80])
        return wide.find_winner(selected, field, responses, list(columns), [*columns.values()], {})
    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and len(choices) == 1 else choices
    if not isinstance(choice, str):
        return None
    asks = bool(PREFERENCES & set(re.split(r"[^a-z]+", name.lower())))
    if not asks and choice.lower() not in {column.lower() for column in columns.values()}:
        return None
    return wide.find_winner(choice, field, responses, list(columns), [*columns.values()], {})


def read_annotation(row: RawRow) -> Row:
    """The row of one annotation in JSON-MIN, in which each control is a column."""
    columns, responses = parse_responses(row)
    verdict: Winner | None = None
    for key in list(row):
        if verdict is None and key not in columns.values():
            control = parse_control(key, parsers.peek_value(row, key), columns)
            verdict = find_choice(key, control, key, columns, responses) if control else None
            if verdict is not None:
                row.get(key)  # it is read
    annotator = parsers.parse_name(row.get("annotator"), "annotator")
    prompt = parsers.parse_prompt(row)
    if verdict is None:
        return Row(prompt, responses, CANDIDATES)
    return Row(prompt, responses, JUDGED, wide.build_votes(verdict, "annotation_id", responses, annotator))


def parse_control(name: str, value: Any, columns: dict[str, str]) -> RawRow:
    """The value of a control as a task has it; empty if the column is none."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        value = value[0]
    if isinstance(value, dict):
        return value if "selected" in value or "choices" in value else {}
    asks = PREFERENCES & set(re.split(r"[^a-z]+", name.lower()))
    names = isinstance(value, str) and value.lower() in {column.lower() for column in columns.values()}
    return {"choices": [value]} if isinstance(value, str) and (asks or names) else {}

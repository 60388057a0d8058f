"""Reads a file by an admin's mapping of its columns, {role: column}.

ROLES and EVERYWHERE list the roles; answers, their sources and scores, and rejected answers are numbered: `answer_1`,
`source_1`, … `answer_26`; so are the columns that are kept as metadata or ignored: `meta_1`, `ignored_1`. The entry
`counts` is one of COUNTS and says how the winner column names the better answer, `better` which end of the scores is
better. A column may be a path into nested fields: `question.full_text`.
"""

import contextlib
import itertools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from datasets.formats import dpo, dpo_text, kto, kto_messages, long, messages, parsers, prompts, sft, wide
from datasets.formats.judged import MOST_ANSWERS as MOST_ANSWERS
from datasets.formats.judged import Winner, build_pair_row, check_answer_count
from datasets.formats.rows import CANDIDATES, JUDGED, Prompt, RawRow, Refusal, Response, Row, TableRow, Vote

Roles: TypeAlias = dict[str, str]  # {role: column or path}
NAME = "mapped"  # the format of an import that a mapping reads
# Role -> the field that the readers expect.
ROLES = {
    "prompt": "prompt",
    "input": "input",
    "context": "context",
    "system": "system",
    "history": "history",
    "conversation": "messages",
    "answers": "responses",
    "sources": "models",
    "scores": "scores",
    "answer": "response",
    "source": "model",
    "demonstration": "completion",
    "label": "label",
    "winner": "winner",
    "chosen": "chosen",
    "rejected": "rejected",
    "chosen_source": "chosen_model",
    "rejected_source": "rejected_model",
    "chosen_score": "score_chosen",
    "rejected_score": "score_rejected",
    "margin": "margin",
    "annotator": "annotator",
    "tags": "tags",
}
# Rows with something in such a column are refused for this reason: it cannot be judged or kept yet.
REFUSED_ROLES = {"image": "picture", "tools": "tools", "reasoning": "reasoning"}
NUMBERED = re.compile(r"(answer|source|score|rejected|meta|ignored)_([1-9]\d{0,2})")
# The winner by letter, number from 1 or name; by number from 0; of two answers, by the sign of a number.
COUNTS = ("names", "from_0", "minus_first", "plus_first")
DIRECTIONS = ("high", "low")  # of scores: which end is better
SETTINGS = {"counts": COUNTS, "better": DIRECTIONS}  # entries of a mapping that name no column
VERDICT = "verdict:"  # an entry `verdict:VALUE` says what a value of the winner column means, as parse_verdict reads it
FORMAT = "format"  # the entry that keeps a readable format; only COLUMN_CHOICES stand beside it
COLUMN_CHOICES = frozenset({"meta", "ignored"})  # what becomes of a column that nothing reads
EVERYWHERE = frozenset({"prompt", "input", "context", "system", "history", "tags", "id", "weight", *REFUSED_ROLES})
PAIR_ROLES = ("chosen", "rejected", "chosen_source", "rejected_source", "chosen_score", "rejected_score", "margin")
USES = {  # kind of answers -> the roles that have an effect
    "numbered": frozenset({"winner", "annotator"}),
    "answers": frozenset({"answers", "sources", "scores", "winner", "annotator"}),
    "pair": frozenset({*PAIR_ROLES, "annotator"}),
    "demonstration": frozenset({"demonstration", "source", "label"}),
    "answer": frozenset({"answer", "source"}),
    "conversation": frozenset({"conversation", "source", "label"}),
    "prompt": frozenset(),
}
NUMBERED_USES = {"numbered": frozenset({"answer", "source", "score"}), "pair": frozenset({"rejected"})}
SIDES = {"left": 0, "first": 0, "左": 0, "right": 1, "second": 1, "右": 1}


def get_numbered_columns(roles: Roles, kind: str) -> dict[int, str]:
    """{number: column} of the roles `answer_N` or `source_N`, sorted by number."""
    matches = [(NUMBERED.fullmatch(role), column) for role, column in roles.items()]
    return dict(sorted((int(match[2]), column) for match, column in matches if match and match[1] == kind))


def list_columns(roles: Roles) -> list[str]:
    """The columns that a mapping names."""
    return [column for role, column in roles.items() if not is_setting(role)]


def is_setting(role: str) -> bool:
    """Whether an entry of a mapping names no column."""
    return role in SETTINGS or role == FORMAT or role.startswith(VERDICT)


def parse_verdict(text: str) -> Winner | None:
    """The meaning of a value: the index of the better answer, `tie` or `both_bad`; None if it is no verdict.

    text: a number from 1, `tie`, `both_bad` or `none`.

    Raises ValueError for any other text.

    >>> parse_verdict("2"), parse_verdict("tie")
    (1, 'tie')
    """
    if text in ("tie", "both_bad"):
        return cast(Winner, text)
    return None if text == "none" else range(MOST_ANSWERS)[int(text) - 1]


def is_verdict(text: str) -> bool:
    """Whether parse_verdict can read a text."""
    return text in ("tie", "both_bad", "none") or (text.isdecimal() and 1 <= int(text) <= MOST_ANSWERS)


def get_kept(roles: Roles) -> frozenset[str]:
    """The columns that a mapping keeps as metadata."""
    return frozenset(get_numbered_columns(roles, "meta").values())


def get_ignored(roles: Roles) -> frozenset[str]:
    """The columns that a mapping gives up."""
    return frozenset(get_numbered_columns(roles, "ignored").values())


def is_role(role: str) -> bool:
    match = NUMBERED.fullmatch(role)
    if match and match[1] not in COLUMN_CHOICES:
        return int(match[2]) <= MOST_ANSWERS
    return role in ROLES or role in EVERYWHERE or is_setting(role) or bool(match)


def find_answer_kinds(roles: Roles) -> set[str]:
    """How the rows hold their answers: keys of READERS; more than one contradict each other."""
    kinds: set[str] = {role for role in ("answers", "answer", "demonstration", "conversation") if role in roles}
    kinds |= {"numbered"} if get_numbered_columns(roles, "answer") else set()
    return kinds | (
        {"pair"} if "chosen" in roles or "rejected" in roles or get_numbered_columns(roles, "rejected") else set()
    )


def find_idle_roles(roles: Roles) -> list[str]:
    """The roles that change nothing in this mapping."""
    kind = next(iter(find_answer_kinds(roles)), "prompt")
    useful, numbered = EVERYWHERE | USES[kind], NUMBERED_USES.get(kind, frozenset())
    if FORMAT in roles:
        useful, numbered = frozenset({FORMAT}), frozenset()
    if "winner" in roles:
        useful |= {"counts", *(role for role in roles if role.startswith(VERDICT))}
    if any("score" in role for role in roles):
        useful |= {"better"}
    matches = {role: NUMBERED.fullmatch(role) for role in roles}
    return [
        role
        for role, match in matches.items()
        if (match[1] not in numbered | COLUMN_CHOICES if match else role not in useful)
    ]


def find_fault(roles: Roles) -> str | None:
    """Why this mapping cannot be read, a code of reasons.MAPPING; None if it can.

    >>> find_fault({"prompt": "question", "answer_1": "a", "answer_2": "b", "chosen_source": "model"})
    'no_effect'
    """
    columns = list_columns(roles)
    kinds = find_answer_kinds(roles)
    faults = {
        "unknown_role": not all(is_role(role) for role in roles),
        "unknown_count": any(roles.get(name, values[0]) not in values for name, values in SETTINGS.items()),
        "unknown_verdict": not all(is_verdict(text) for role, text in roles.items() if role.startswith(VERDICT)),
        "column_twice": len(set(columns)) < len(columns),
        "two_kinds": len(kinds) > 1,
        "one_answer": len(get_numbered_columns(roles, "answer")) == 1,
        "half_a_pair": ("chosen" in roles) != bool("rejected" in roles or get_numbered_columns(roles, "rejected")),
        "winner_of_nothing": "winner" in roles and not kinds & {"numbered", "answers"},
        "no_prompt": FORMAT not in roles and "prompt" not in roles and not kinds & {"conversation", "pair"},
    }
    fault = next((code for code, is_so in faults.items() if is_so), None)
    return fault or ("no_effect" if find_idle_roles(roles) else None)


def find_head(row: Mapping[str, object], path: str) -> str:
    """The column of a row that a path begins with: the longest that the row has, else the first part of the path.

    >>> find_head({"question": {}}, "question.full_text")
    'question'
    """
    if path in row:
        return path
    cuts = [match.start() for match in re.finditer(r"[.\[]", path)]
    return next((path[:cut] for cut in reversed(cuts) if path[:cut] in row), path[: cuts[0]] if cuts else path)


def find_value(row: RawRow, path: str) -> Any:
    """The value at a path; None if there is none.

    path: a column, or a field within one: `a.b`; `a[0].b` is of the first item of a list, `a[].b` a list of all.

    >>> find_value({"summaries": [{"text": "One."}, {"text": "Two."}]}, "summaries[].text")
    ['One.', 'Two.']
    """
    if path in row:
        return row[path]
    head = find_head(row, path)
    value = row.get(head)
    return follow_path(value, PATH_STEP.findall(path[len(head) :]))


def follow_path(value: Any, steps: Sequence[str]) -> Any:
    """The value that these steps of a path lead to."""
    for n, step in enumerate(steps):
        if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):  # a cell of a table, as JSON
            with contextlib.suppress(ValueError, RecursionError):
                value = json.loads(value)
        if step == "[]":
            return [follow_path(item, steps[n + 1 :]) for item in value] if isinstance(value, list) else None
        if step.startswith("["):
            index = int(step[1:-1])
            value = value[index] if isinstance(value, list) and index < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


PATH_STEP = re.compile(r"\[\d*\]|[^.\[\]]+")


def read(roles: Roles, row: RawRow) -> Row:
    """The row, read by the mapping; a Refusal names the file's own column."""
    for role, reason in REFUSED_ROLES.items():
        if role in roles and find_value(row, roles[role]) not in (None, "", [], {}):
            raise Refusal(reason, roles[role])
    weight = find_value(row, roles["weight"]) if "weight" in roles else None
    if weight not in (None, "") and parsers.parse_number(weight, roles["weight"]) == 0:
        raise Refusal("zero_weight", roles["weight"])
    column_of_field = {ROLES[role]: column for role, column in roles.items() if role in ROLES}
    fields: RawRow = TableRow() if isinstance(row, TableRow) else {}
    for field, column in column_of_field.items():
        value = find_value(row, column)
        if value is not None or column in row:
            fields[field] = value
    join_context(fields)
    kind = next(iter(find_answer_kinds(roles)), "prompt")
    try:
        parsed = READERS[kind](roles, fields, row)
        row_id = find_value(row, roles["id"]) if "id" in roles else None
        meta = {roles["weight"]: weight} if weight not in (None, "") else None
        return parsed._replace(id="" if row_id is None else str(row_id), meta=meta)
    except Refusal as refusal:
        head = re.split(r"\W", refusal.field, maxsplit=1)[0]
        rest = refusal.field[len(head) :]
        field = column_of_field[head] + rest if head in column_of_field else refusal.field
        raise Refusal(refusal.reason, field, refusal.detail) from None


def join_context(fields: RawRow) -> None:
    """Puts the context in front of the input, where the row has both."""
    if fields.get("context") and fields.get("input"):
        context = parsers.parse_text(fields.pop("context"), "context")
        fields["input"] = f"{context}\n\n{parsers.parse_text(fields['input'], 'input')}"


def read_pair(roles: Roles, fields: RawRow, row: RawRow) -> Row:
    if several := get_numbered_columns(roles, "rejected"):
        values = [find_value(row, column) for column in several.values()]
        fields["rejected"] = [value for value in values if value not in (None, "")]
    if roles.get("better") == "low":
        for field in ("score_chosen", "score_rejected"):
            if fields.get(field) not in (None, ""):
                fields[field] = -parsers.parse_number(fields[field], field)
    as_messages = any(parsers.is_message_list(fields, key) for key in ("chosen", "rejected"))
    return dpo.read(fields) if as_messages else dpo_text.read(fields)


def read_demonstration(roles: Roles, fields: RawRow, row: RawRow) -> Row:
    if "label" in roles:
        return kto.read(fields)
    demonstration = sft.read(fields)
    return Row(
        demonstration.prompt,
        (demonstration.responses[0]._replace(source=parsers.find_source(fields)),),
        demonstration.kind,
    )


def read_conversation(roles: Roles, fields: RawRow, row: RawRow) -> Row:
    return kto_messages.read(fields) if "label" in roles else messages.read(fields)


def read_several(roles: Roles, fields: RawRow, row: RawRow) -> Row:
    """The answers of a row, with its verdict if it has one, or with what its scores say."""
    columns = get_numbered_columns(roles, "answer")
    responses, names = parse_response_columns(roles, columns, row) if columns else wide.parse_response_list(fields)
    if len(responses) < 2:
        raise Refusal("too_few_answers", names[0] if names else "responses")
    prompt = parsers.parse_prompt(fields)
    annotator = parsers.parse_name(fields.get("annotator"), "annotator")
    stated = fields.get("winner")
    meaning = roles.get(f"{VERDICT}{str(stated).strip().lower()}")
    if stated in (None, "") or meaning == "none":
        votes = build_score_votes(roles, parse_scores(roles, columns, fields, row), responses, annotator)
        return Row(prompt, responses, JUDGED if votes else CANDIDATES, votes)
    if roles.get("counts") in ("minus_first", "plus_first") and meaning is None:
        return build_signed_row(prompt, responses, stated, roles["counts"], annotator)
    verdict = find_winner(roles, stated, responses, names) if meaning is None else parse_verdict(meaning)
    if verdict is None or (isinstance(verdict, int) and verdict >= len(responses)):
        raise Refusal("unknown_winner", "winner", str(stated)[:80])
    return Row(prompt, responses, JUDGED, wide.build_votes(verdict, "winner", responses, annotator))


def parse_scores(roles: Roles, columns: dict[int, str], fields: RawRow, row: RawRow) -> list[tuple[str, object]]:
    """(column, score) of each answer, None for no score; empty where no column is a score."""
    if "scores" in roles:
        scores = parsers.parse_list(fields.get("scores") or [], "scores")
        return [(f"{roles['scores']}[{n}]", score) for n, score in enumerate(scores)]
    numbered = get_numbered_columns(roles, "score")
    return [(numbered.get(n, ""), find_value(row, numbered[n]) if n in numbered else None) for n in columns if numbered]


def build_score_votes(
    roles: Roles, scores: Sequence[tuple[str, object]], responses: Sequence[Response], annotator: str
) -> tuple[Vote, ...]:
    """A vote for each pair of different answers that both have a score; equal scores are a tie.

    scores: (column, score) by answer.
    """
    sign = -1 if roles.get("better") == "low" else 1
    numbers = {
        n: sign * parsers.parse_number(value, column)
        for n, (column, value) in enumerate(scores[: len(responses)])
        if value not in (None, "")
    }
    check_answer_count(numbers)
    votes = []
    for first, second in itertools.combinations(numbers, 2):
        if responses[first].text != responses[second].text:
            margin = numbers[first] - numbers[second]
            pair = (first, second) if margin >= 0 else (second, first)
            votes.append(Vote(pair, "left" if margin else "tie", annotator, margin=abs(margin) or None))
    return tuple(votes)


def parse_response_columns(
    roles: Roles, columns: dict[int, str], row: RawRow
) -> tuple[tuple[Response, ...], list[str]]:
    """(responses, column names), as wide.parse_response_columns returns them."""
    sources = get_numbered_columns(roles, "source")
    numbers = list(columns)
    empty = (None, "") if isinstance(row, TableRow) else (None,)
    while len(numbers) > 2 and find_value(row, columns[numbers[-1]]) in empty:
        numbers.pop()
    responses = tuple(
        Response(
            parsers.parse_answer(require_value(row, columns[n]), columns[n]),
            parsers.parse_name(find_value(row, sources[n]), sources[n]) if n in sources else "",
        )
        for n in numbers
    )
    return responses, [columns[n] for n in numbers]


def require_value(row: RawRow, path: str) -> Any:
    """The value at a path. Raises Refusal if the row has no such field."""
    value = find_value(row, path)
    return parsers.require_field(row, path) if value is None else value


def find_winner(roles: Roles, value: object, responses: tuple[Response, ...], names: list[str]) -> Winner:
    """The index of the winner, or `tie` or `both_bad`."""
    choice = str(value).strip().lower()
    if len(responses) == 2 and choice in SIDES:
        return SIDES[choice]
    first = 0 if roles.get("counts") == "from_0" else 1
    labels = [str(number) for number in range(first, first + len(responses))]
    sources = get_numbered_columns(roles, "source")
    sources = sources if list(sources) == list(get_numbered_columns(roles, "answer")) else {}
    return wide.find_winner(value, "winner", responses, labels, names, sources)


def build_signed_row(
    prompt: Prompt, responses: tuple[Response, ...], value: object, counts: str, annotator: str
) -> Row:
    """The judged row of two answers and a number: its sign says which is better, its size how much."""
    number = parsers.parse_number(value, "winner")
    if len(responses) != 2:
        raise Refusal("unknown_winner", "winner", str(value)[:80])
    first = number < 0 if counts == "minus_first" else number > 0
    verdict: Winner = (0 if first else 1) if number else "tie"
    strength = min(3, math.ceil(abs(number))) or 1
    return build_pair_row(prompt, responses, verdict, "winner", annotator, strength=strength)


READERS: dict[str, Callable[[Roles, RawRow, RawRow], Row]] = {  # called with (roles, fields, the file's row)
    "numbered": read_several,
    "answers": read_several,
    "pair": read_pair,
    "demonstration": read_demonstration,
    "answer": lambda roles, fields, row: long.read(fields),
    "conversation": read_conversation,
    "prompt": lambda roles, fields, row: prompts.read(fields),
}

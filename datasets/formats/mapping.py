"""A file's own columns read as an admin says: {what a column is: its name}. Pure, as the formats are.

What a column may be stands in ROLES; answers and their sources are numbered: `answer_1`, `source_1`, … `answer_26`.
`counts` says how the column of the verdict names the better answer, see COUNTS.
"""

import math
import re

from datasets.formats import dpo, dpo_text, long, messages, parsers, prompts, sft, wide
from datasets.formats.judged import MOST_ANSWERS, build_pair_row
from datasets.formats.rows import CANDIDATES, JUDGED, Refusal, Response, Row

NAME = "mapped"  # what an import that is read so has as its format
# What a column is -> the field by which the readers know it.
ROLES = {
    "prompt": "prompt",
    "input": "input",
    "system": "system",
    "history": "history",
    "conversation": "messages",
    "answers": "responses",
    "sources": "models",
    "answer": "response",
    "source": "model",
    "demonstration": "completion",
    "winner": "winner",
    "chosen": "chosen",
    "rejected": "rejected",
    "annotator": "annotator",
    "tags": "tags",
}
NUMBERED = re.compile(r"(answer|source)_([1-9]\d?)")
# A verdict by letter, number from 1 or name; by number from 0; as a number whose sign says which of two.
COUNTS = ("names", "from_0", "minus_first", "plus_first")
SIDES = {"left": 0, "first": 0, "左": 0, "right": 1, "second": 1, "右": 1}


def get_numbered_columns(roles, kind):
    """{number: column} of the roles `answer_N` or `source_N`, in order."""
    matches = [(NUMBERED.fullmatch(role), column) for role, column in roles.items()]
    return dict(sorted((int(match[2]), column) for match, column in matches if match and match[1] == kind))


def is_role(role):
    match = NUMBERED.fullmatch(role)
    return role in ROLES or bool(match and int(match[2]) <= MOST_ANSWERS)


def find_answer_kinds(roles):
    """By what the rows hold their answers; more than one contradict each other."""
    kinds = {role for role in ("answers", "answer", "demonstration", "conversation") if role in roles}
    kinds |= {"numbered"} if get_numbered_columns(roles, "answer") else set()
    return kinds | ({"pair"} if {"chosen", "rejected"} & roles.keys() else set())


def find_fault(roles):
    """Why nothing can be read so, a code of reasons.MAPPING; None where it can."""
    columns = [column for role, column in roles.items() if role != "counts"]
    kinds = find_answer_kinds(roles)
    faults = {
        "unknown_role": not all(is_role(role) for role in roles if role != "counts"),
        "unknown_count": roles.get("counts", "names") not in COUNTS,
        "column_twice": len(set(columns)) < len(columns),
        "two_kinds": len(kinds) > 1,
        "one_answer": len(get_numbered_columns(roles, "answer")) == 1,
        "half_a_pair": ("chosen" in roles) != ("rejected" in roles),
        "winner_of_nothing": "winner" in roles and not kinds & {"numbered", "answers"},
        "no_prompt": "prompt" not in roles and not kinds & {"conversation", "pair"},
    }
    return next((code for code, is_so in faults.items() if is_so), None)


def read(roles, row):
    """The row; raises Refusal with the name of the file's own column."""
    column_of_field = {ROLES[role]: column for role, column in roles.items() if role in ROLES}
    fields = type(row)((field, row[column]) for field, column in column_of_field.items() if column in row)
    kind = next(iter(find_answer_kinds(roles)), "prompt")
    try:
        return READERS[kind](roles, fields, row)
    except Refusal as refusal:
        head, rest = re.fullmatch(r"(\w*)(.*)", refusal.field, re.DOTALL).groups()
        field = column_of_field[head] + rest if head in column_of_field else refusal.field
        raise Refusal(refusal.reason, field, refusal.detail) from None


def read_pair(roles, fields, row):
    as_messages = any(parsers.is_message_list(fields, key) for key in ("chosen", "rejected"))
    return (dpo if as_messages else dpo_text).read(fields)


def read_demonstration(roles, fields, row):
    demonstration = sft.read(fields)
    return Row(
        demonstration.prompt,
        (Response(demonstration.responses[0].text, parsers.find_source(fields)),),
        demonstration.kind,
    )


def read_several(roles, fields, row):
    """The answers of a row, and what is said of them."""
    columns = get_numbered_columns(roles, "answer")
    responses, names = parse_response_columns(roles, columns, row) if columns else wide.parse_response_list(fields)
    if len(responses) < 2:
        raise Refusal("too_few_answers", names[0] if names else "responses")
    prompt = parsers.parse_prompt(fields)
    if fields.get("winner") in (None, ""):
        return Row(prompt, responses, CANDIDATES)
    annotator = parsers.parse_name(fields.get("annotator"), "annotator")
    if roles.get("counts") in ("minus_first", "plus_first"):
        return build_signed_row(prompt, responses, fields["winner"], roles["counts"], annotator)
    verdict = find_winner(roles, fields["winner"], responses, names)
    return Row(prompt, responses, JUDGED, wide.build_votes(verdict, "winner", responses, annotator))


def parse_response_columns(roles, columns, row):
    """(responses, column names), as wide.parse_response_columns has them."""
    sources = get_numbered_columns(roles, "source")
    numbers = list(columns)
    while len(numbers) > 2 and not wide.has_value(row, columns[numbers[-1]]):
        numbers.pop()
    responses = tuple(
        Response(
            parsers.parse_answer(parsers.require_field(row, columns[n]), columns[n]),
            parsers.parse_name(row.get(sources.get(n)), sources.get(n, "source")),
        )
        for n in numbers
    )
    return responses, [columns[n] for n in numbers]


def find_winner(roles, value, responses, names):
    """The index of the winner, or `tie` or `both_bad`."""
    choice = str(value).strip().lower()
    if len(responses) == 2 and choice in SIDES:
        return SIDES[choice]
    first = 0 if roles.get("counts") == "from_0" else 1
    labels = [str(number) for number in range(first, first + len(responses))]
    sources = get_numbered_columns(roles, "source")
    sources = sources if list(sources) == list(get_numbered_columns(roles, "answer")) else {}
    return wide.find_winner(value, "winner", responses, labels, names, sources)


def build_signed_row(prompt, responses, value, counts, annotator):
    """The row of two answers and a number: its sign says which is better, its size how much."""
    number = parsers.parse_number(value, "winner")
    if len(responses) != 2:
        raise Refusal("unknown_winner", "winner", str(value)[:80])
    first = number < 0 if counts == "minus_first" else number > 0
    verdict = (0 if first else 1) if number else "tie"
    strength = min(3, math.ceil(abs(number))) or 1
    return build_pair_row(prompt, responses, verdict, "winner", annotator, strength=strength)


READERS = {
    "numbered": read_several,
    "answers": read_several,
    "pair": read_pair,
    "demonstration": read_demonstration,
    "answer": lambda roles, fields, row: long.read(fields),
    "conversation": lambda roles, fields, row: messages.read(fields),
    "prompt": lambda roles, fields, row: prompts.read(fields),
}

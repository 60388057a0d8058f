"""A file's own columns read as an admin says: {what a column is: its name}. Pure, as the formats are.

What a column may be stands in ROLES; answers and their sources are numbered: `answer_1`, `source_1`, … `answer_26`.
`counts` says how the column of the verdict names the better answer, see COUNTS.
"""

import math
import re

from datasets.formats import dpo, dpo_text, long, messages, prompts, reading, sft, wide
from datasets.formats.judged import MOST_ANSWERS, pair_row
from datasets.formats.rows import CANDIDATES, JUDGED, Refused, Response, Row

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


def numbered(roles, kind):
    """{number: column} of the roles `answer_N` or `source_N`, in order."""
    found = [(NUMBERED.fullmatch(role), column) for role, column in roles.items()]
    return dict(sorted((int(match[2]), column) for match, column in found if match and match[1] == kind))


def is_role(role):
    match = NUMBERED.fullmatch(role)
    return role in ROLES or bool(match and int(match[2]) <= MOST_ANSWERS)


def answer_kinds(roles):
    """By what the rows hold their answers; more than one contradict each other."""
    kinds = {role for role in ("answers", "answer", "demonstration", "conversation") if role in roles}
    kinds |= {"numbered"} if numbered(roles, "answer") else set()
    return kinds | ({"pair"} if {"chosen", "rejected"} & roles.keys() else set())


def wrong(roles):
    """Why nothing can be read so, a code of reasons.MAPPING; None where it can."""
    columns = [column for role, column in roles.items() if role != "counts"]
    kinds = answer_kinds(roles)
    faults = {
        "unknown_role": not all(is_role(role) for role in roles if role != "counts"),
        "unknown_count": roles.get("counts", "names") not in COUNTS,
        "column_twice": len(set(columns)) < len(columns),
        "two_kinds": len(kinds) > 1,
        "one_answer": len(numbered(roles, "answer")) == 1,
        "half_a_pair": ("chosen" in roles) != ("rejected" in roles),
        "winner_of_nothing": "winner" in roles and not kinds & {"numbered", "answers"},
        "no_prompt": "prompt" not in roles and not kinds & {"conversation", "pair"},
    }
    return next((code for code, is_so in faults.items() if is_so), None)


def read(roles, row):
    """The row, or Refused with the name of the file's own column."""
    known = {ROLES[role]: column for role, column in roles.items() if role in ROLES}
    said = type(row)((field, row[column]) for field, column in known.items() if column in row)
    kind = next(iter(answer_kinds(roles)), "prompt")
    try:
        return READERS[kind](roles, said, row)
    except Refused as refused:
        head, rest = re.fullmatch(r"(\w*)(.*)", refused.field, re.DOTALL).groups()
        field = known[head] + rest if head in known else refused.field
        raise Refused(refused.reason, field, refused.detail) from None


def read_pair(roles, said, row):
    as_messages = any(reading.message_list(said, key) for key in ("chosen", "rejected"))
    return (dpo if as_messages else dpo_text).read(said)


def read_demonstration(roles, said, row):
    found = sft.read(said)
    return Row(found.prompt, (Response(found.responses[0].text, reading.source(said)),), found.kind)


def read_several(roles, said, row):
    """The answers of a row, and what is said of them."""
    columns = numbered(roles, "answer")
    responses, names = from_columns(roles, columns, row) if columns else wide.from_list(said)
    if len(responses) < 2:
        raise Refused("too_few_answers", names[0] if names else "responses")
    prompt = reading.prompt(said)
    if said.get("winner") in (None, ""):
        return Row(prompt, responses, CANDIDATES)
    annotator = reading.name(said.get("annotator"), "annotator")
    if roles.get("counts") in ("minus_first", "plus_first"):
        return signed(prompt, responses, said["winner"], roles["counts"], annotator)
    verdict = named(roles, said["winner"], responses, names)
    return Row(prompt, responses, JUDGED, wide.votes(verdict, "winner", responses, annotator))


def from_columns(roles, columns, row):
    """(responses, column names), as wide.from_columns has them."""
    sources = numbered(roles, "source")
    given = list(columns)
    while len(given) > 2 and not wide.is_there(row, columns[given[-1]]):
        given.pop()
    responses = tuple(
        Response(
            reading.answer(reading.required(row, columns[n]), columns[n]),
            reading.name(row.get(sources.get(n)), sources.get(n, "source")),
        )
        for n in given
    )
    return responses, [columns[n] for n in given]


def named(roles, value, responses, names):
    """The index of the winner, or `tie` or `both_bad`."""
    said = str(value).strip().lower()
    if len(responses) == 2 and said in SIDES:
        return SIDES[said]
    first = 0 if roles.get("counts") == "from_0" else 1
    labels = [str(number) for number in range(first, first + len(responses))]
    sources = numbered(roles, "source")
    sources = sources if list(sources) == list(numbered(roles, "answer")) else {}
    return wide.winner(value, "winner", responses, labels, names, sources)


def signed(prompt, responses, value, counts, annotator):
    """The row of two answers and a number: its sign says which is better, its size how much."""
    number = reading.number(value, "winner")
    if len(responses) != 2:
        raise Refused("unknown_winner", "winner", str(value)[:80])
    first = number < 0 if counts == "minus_first" else number > 0
    verdict = (0 if first else 1) if number else "tie"
    strength = min(3, math.ceil(abs(number))) or 1
    return pair_row(prompt, responses, verdict, "winner", annotator, strength=strength)


READERS = {
    "numbered": read_several,
    "answers": read_several,
    "pair": read_pair,
    "demonstration": read_demonstration,
    "answer": lambda roles, said, row: long.read(said),
    "conversation": lambda roles, said, row: messages.read(said),
    "prompt": lambda roles, said, row: prompts.read(said),
}

"""A prompt and its n responses in one row. A winner column makes it a judged choice. Read shape 19.

Answers stand in numbered or lettered columns (response_1, answer_b, output_2, …) or in one list (responses,
candidates, generations, outputs) of texts or of {"model", "text"}; sources in columns of the same numbering, in a
list `models`, or in the objects. The winner is named by letter, number (from 1, or from 0 where the columns start
at 0), response column, model column or model name; `tie` and `both_bad` are verdicts.
"""

import re
from functools import lru_cache

from datasets.formats import judged, parsers
from datasets.formats.rows import CANDIDATES, JUDGED, Refusal, Response, Row, TableRow, Vote

LABEL = "Wide (a prompt and its answers in a row)"
SHAPE = 19
LABEL_PATTERN = r"(?:[_ -]?(?P<number>\d{1,3})|[_ -](?P<letter>[A-Za-z])|(?P<capital>[A-Z]))"
ANSWER_COLUMN = re.compile(rf"(?i:response|answer|output|completion|candidate|generation){LABEL_PATTERN}")
SOURCE_COLUMN = re.compile(rf"(?i:model|source|generator){LABEL_PATTERN}")
LISTS = ("responses", "candidates", "generations", "outputs", "completions", "answers")
SOURCE_LISTS = ("models", "sources", "generation_models")
WINNERS = ("winner", "preference", "preferred", "better", "chosen", "chosen_response", "response_chosen")
TIES = ("tie", "draw", "equal", "same")
BOTH_BAD = ("both_bad", "both bad", "bothbad", "tie (bothbad)", "neither", "none")


def find_columns(keys, pattern):
    """{label: column} of the numbered or lettered columns, in their order; to read only."""
    return match_columns(tuple(keys), pattern)


@lru_cache(maxsize=8)  # the rows of a file have the same columns
def match_columns(keys, pattern):
    columns = {match[match.lastgroup].lower(): key for key in keys if (match := pattern.fullmatch(key))}
    return dict(sorted(columns.items(), key=lambda item: (len(item[0]), item[0])))


@lru_cache(maxsize=8)
def classify_columns(keys):
    """(numbered answers, numbered sources, the winner's column or None) of a row with these keys; to read only."""
    winner = next((name for name in WINNERS if name in keys), None)
    return match_columns(keys, ANSWER_COLUMN), match_columns(keys, SOURCE_COLUMN), winner


def matches(keys, row):
    answered = len(find_columns(keys, ANSWER_COLUMN)) >= 2 or bool(keys & set(LISTS))
    arena = {"winner_model_a", "winner_model_b"} <= keys  # its cells hold whole conversations: another shape
    return answered and not arena and parsers.find_prompt_key(keys) is not None


def is_pointer(keys, row, key="chosen"):
    """Whether this field only names one of the row's numbered answers, as a winner column does."""
    columns, sources = find_columns(keys, ANSWER_COLUMN), find_columns(keys, SOURCE_COLUMN)
    choice = str(row.get(key, "")).strip().lower()
    names = [*columns.values(), *sources.values(), *(str(row.get(source)) for source in sources.values())]
    is_named = len(choice) == 1 or choice.isdecimal() or choice in {name.lower() for name in names}
    return len(columns) >= 2 and (is_named or choice in TIES + BOTH_BAD)


def read(row):
    columns, sources, key = classify_columns(tuple(row))
    responses, names = parse_response_columns(row, columns, sources) if columns else parse_response_list(row)
    if len(responses) < 2:
        raise Refusal("too_few_answers", names[0] if names else "responses")
    prompt = parsers.parse_prompt(row)
    if key is None or row[key] in (None, ""):
        return Row(prompt, responses, CANDIDATES)
    annotator = parsers.parse_name(row.get("annotator"), "annotator")
    verdict = find_winner(row[key], key, responses, list(columns), names, sources)
    return Row(prompt, responses, JUDGED, build_votes(verdict, key, responses, annotator))


def parse_response_columns(row, columns, sources):
    """(responses, column names). After the second answer, trailing nulls and a table's empty cells are no answers."""
    labels = list(columns)
    while len(labels) > 2 and not has_value(row, columns[labels[-1]]):
        labels.pop()
    places = [(columns[label], sources.get(label)) for label in labels]
    responses = [
        Response(parsers.parse_answer(row[column], column), parsers.parse_name(row[source], source) if source else "")
        for column, source in places
    ]
    return tuple(responses), [column for column, _ in places]


def has_value(row, column):
    """Whether a row has something in this column; an empty cell of a table is nothing."""
    return row.get(column) not in ((None, "") if isinstance(row, TableRow) else (None,))


def parse_response_list(row):
    """(responses, places) of the one list that holds them."""
    key = next((name for name in LISTS if name in row), None)
    if key is None:
        raise Refusal("missing_field", "responses")
    items = parsers.parse_list(row[key], key)
    source_key = next((name for name in SOURCE_LISTS if name in row), None)
    sources = parsers.parse_list(row[source_key], source_key) if source_key else [""] * len(items)
    if len(sources) != len(items):
        raise Refusal("lengths_differ", source_key, f"{len(sources)} / {len(items)}")
    places = [f"{key}[{number}]" for number in range(len(items))]
    responses = [
        parse_response(item, place) if isinstance(item, dict) else Response(parsers.parse_answer(item, place))
        for item, place in zip(items, places, strict=True)
    ]
    named = zip(responses, sources, strict=True)
    return tuple(Response(r.text, r.source or parsers.parse_name(s, source_key)) for r, s in named), places


def parse_response(item, place):
    """{"model", "text"}, under any of the usual names."""
    key = next((name for name in ("text", "response", "content", "output", "answer") if name in item), None)
    if key is None:
        raise Refusal("missing_field", f"{place}.text")
    source = next((name for name in ("model", "source", "generator") if name in item), "source")
    return Response(
        parsers.parse_answer(item[key], f"{place}.{key}"), parsers.parse_name(item.get(source), f"{place}.{source}")
    )


def find_winner(value, field, responses, labels, names, source_columns):
    """The index of the winning response, or `tie` or `both_bad`."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Refusal("unknown_winner", field, str(value)[:80])
    judged.check_answer_count(responses, field)
    choice = str(value).strip().lower()
    if choice in TIES or choice in BOTH_BAD:
        return "tie" if choice in TIES else "both_bad"
    by_source = [response.source.strip().lower() for response in responses]
    # A list is counted from 1; lettered or numbered columns go by their own label.
    counted = labels or [str(number + 1) for number in range(len(responses))]
    letters = [chr(ord("a") + number) for number in range(len(responses))]
    ordinals = [str(number + 1) for number in range(len(responses))]
    spellings = [by_source, counted, [name.lower() for name in names], [c.lower() for c in source_columns.values()]]
    for spelling in [*spellings, letters, *([] if "0" in counted else [ordinals])]:
        if spelling.count(choice) == 1 and spelling.index(choice) < len(responses):
            return spelling.index(choice)
    raise Refusal("unknown_winner", field, choice[:80])


def build_votes(verdict, field, responses, annotator):
    """The winner over each of the others; a tie or both bad for each pair."""
    judged.check_answer_count(responses, field)
    n = len(responses)
    if verdict in ("tie", "both_bad"):
        pairs = [((i, j), verdict) for i in range(n) for j in range(i + 1, n)]
    else:
        pairs = [((verdict, j), "left") for j in range(n) if j != verdict]
    for (i, j), _ in pairs:
        if responses[i].text == responses[j].text:
            raise Refusal("same_answer", field)
    return tuple(Vote(pair, outcome, annotator) for pair, outcome in pairs)

"""Which answer a winner column names, in any of the words that files use."""

import math
import re
from collections.abc import Mapping, Sequence

from datasets.formats import judged
from datasets.formats.rows import Refusal, Response

TIES = ("tie", "draw", "equal", "same", "tied", "both_good", "both good", "平局", "一样好", "一样", "差不多", "都好")
BOTH_BAD = (
    "both_bad", "both bad", "bothbad", "tie (bothbad)", "neither", "none", "都不好", "都差", "都不行",
)  # fmt: skip
VERDICTS = frozenset([*TIES, *BOTH_BAD])
SIDES = {  # of two answers
    **dict.fromkeys(["left", "first", "左", "左边", "第一个"], 0),
    **dict.fromkeys(["right", "second", "右", "右边", "第二个"], 1),
}
PLACES = {"a": 1, "1": 1, "b": 2, "2": 2}
ARROW = re.compile(r"([a-z]|\d{1,2})\s*(>>?|<<?|=)\s*([a-z]|\d{1,2})")
BRACKETS = re.compile(r"\[\[(.*)\]\]")
NAMED = re.compile(r"(?:model|response|answer|output|completion|candidate|generation|assistant)[ _-]?(\d{1,3}|[a-z])")
WIDE_SIGNS = str.maketrans("＞＜＝【】", "><=[]")


def is_undecided(value: object) -> bool:
    """Whether a cell of a winner column holds no verdict: nothing, blanks or NaN."""
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or (isinstance(value, str) and not value.strip())
    )


def find_strength(value: object) -> int:
    """The strength that a verdict states: 2 for `A>>B`, else 1."""
    return 2 if isinstance(value, str) and (">>" in value or "<<" in value or "＞＞" in value) else 1


def find_winner(
    value: object,
    field: str,
    responses: Sequence[Response],
    labels: list[str],
    names: list[str],
    source_columns: Mapping[str, str] | Mapping[int, str],
) -> judged.Winner:
    """The index of the winning response, or `tie` or `both_bad`.

    value: the cell of the winner column `field`.
    labels: the numbers or letters of the answer columns; empty for a list, which counts from 1.
    names: the answer columns, or the paths in the list.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Refusal("unknown_winner", field, str(value)[:80])
    judged.check_answer_count(responses, field)
    choice = normalize_choice(value)
    by_text = [number for number, response in enumerate(responses) if response.text == str(value)]
    verdict = find_verdict(choice, len(responses))
    if verdict is None:
        verdict = find_index(choice, responses, labels, names, source_columns)
    if verdict is None and len(by_text) == 1:
        return by_text[0]
    if verdict is None or (by_text and verdict not in by_text):
        raise Refusal("unknown_winner", field, choice[:80])
    return verdict


def normalize_choice(value: float | str) -> str:
    """A verdict in lower case, without the fraction that pandas gives to whole numbers and brackets of judges."""
    choice = str(value).strip().lower()
    if not choice.isascii():
        choice = choice.translate(WIDE_SIGNS)
    if choice.endswith(".0") and choice[:-2].isdecimal():
        return choice[:-2]
    inner = BRACKETS.fullmatch(choice) if choice.startswith("[[") else None
    if inner is None:
        return choice
    return "tie" if inner[1] == "c" else inner[1].strip()


def find_verdict(choice: str, n: int) -> judged.Winner | None:
    """What a word that names no column says of `n` answers; None if it is no such word."""
    if choice in VERDICTS:
        return "tie" if choice in TIES else "both_bad"
    if n != 2:
        return None
    arrow = ARROW.fullmatch(choice) if len(choice) > 2 else None
    if arrow is None:
        return SIDES.get(choice)
    first, second = (PLACES.get(side, 0) for side in arrow.group(1, 3))
    if {first, second} != {1, 2}:
        return None
    if arrow[2] == "=":
        return "tie"
    return (first if ">" in arrow[2] else second) - 1


def find_index(
    choice: str,
    responses: Sequence[Response],
    labels: list[str],
    names: list[str],
    source_columns: Mapping[str, str] | Mapping[int, str],
) -> int | None:
    """The index of the response that a normalised verdict names; None if it names none, or several."""
    by_source = [response.source.strip().lower() for response in responses]
    counted = labels or [str(number + 1) for number in range(len(responses))]
    letters = [chr(ord("a") + number) for number in range(len(responses))]
    ordinals = [str(number + 1) for number in range(len(responses))]
    by_label = [counted, letters, *([] if "0" in counted else [ordinals])]
    spellings = [by_source, counted, [name.lower() for name in names], [c.lower() for c in source_columns.values()]]
    for spelling in [*spellings, *by_label]:
        if spelling.count(choice) == 1 and spelling.index(choice) < len(responses):
            return spelling.index(choice)
    named = NAMED.fullmatch(choice)
    return next((spelling.index(named[1]) for spelling in by_label if named and named[1] in spelling), None)

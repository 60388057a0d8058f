"""The shape of `Judgment.said`: what a person filled in beside the verdict. Django-free, for annotate/questions."""

from typing import TypedDict


class Statement(TypedDict, total=False):
    """The values of a question's fields, overall or for one criterion: one per field, in page order.

    verdict: a single code. rank: places from 1 (best). stars: 1 to 5.
    """

    verdict: list[str]
    rank: list[int]
    stars: list[int]


class Span(TypedDict):
    """A piece of an answer under a label: characters `start` to `end` of the response's text, as it is stored.

    note: "" without.
    """

    response: int
    start: int
    end: int
    label: str
    note: str


class Said(Statement, total=False):
    """Everything beside the verdict; its own `rank` and `stars` are the overall ones.

    criteria: by criterion name. reasons: ticked chips; reason: free text. repairs: texts of better responses, by the
    side that each replaces (`new`: all sides). spans: marked pieces of the answers, in the order of the page. note: on
    a flag. decision: a reviewer's code for a flagged comparison.
    """

    criteria: dict[str, Statement]
    reasons: list[str]
    reason: str
    repairs: dict[str, str]
    spans: list[Span]
    note: str
    decision: str

"""Highlights: pieces of answers that a person marks, each with a label and perhaps a note.

A page counts the characters (code points) of an answer's raw text as it shows it: without hidden reasoning, each line
break as one. `Judgment.said` counts them in the response's text as it is stored.
"""

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from annotate.wording import Label, get_span_labels
from datasets.judgments.said import Span
from datasets.models import Dataset, Response
from datasets.text.shown import list_shown_places

MOST_SPANS = 50  # of a judgment
LONGEST_NOTE = 2_000  # characters
LONGEST_POSTED = 20_000  # characters of JSON
PLACES = ("start", "end", "of")
TEXTS = ("answer", "label", "note")


class WrongSpans(ValueError):
    """Highlights that are not taken; its text says why, in the reader's language."""


@dataclass(frozen=True)
class PageSpan:
    """A highlight on the page. posted: the value of its field, JSON. label: in words. quote: what is marked."""

    posted: str
    label: Label
    quote: str
    note: str


def parse_spans(dataset: Dataset, posted: Sequence[str], order: Mapping[str, int]) -> list[Span]:
    """The highlights of a posted form, in the order of the page.

    posted: the values of its fields. order: {side: id of the response}.

    Raises WrongSpans.
    """
    if len(posted) > MOST_SPANS:
        raise WrongSpans(_("At most %(n)s highlights.") % {"n": MOST_SPANS})
    marks = [parse_mark(dataset, value) for value in posted]
    sides = {mark["answer"] for mark in marks}
    if not sides <= set(order):
        raise WrongSpans(format_misfit())
    wanted = Response.objects.filter(pk__in=[order[side] for side in sides]) if sides else Response.objects.none()
    texts = dict(wanted.values_list("pk", "text"))
    places = {pk: list_shown_places(text, dataset.show_reasoning) for pk, text in texts.items()}
    spans = [build_span(mark, order[mark["answer"]], texts, places) for mark in marks]
    ids = list(order.values())
    return sorted(spans, key=lambda span: (ids.index(span["response"]), span["start"], span["end"]))


def build_span(
    mark: Mapping[str, Any], response: int, texts: Mapping[int, str], places: Mapping[int, Sequence[int]]
) -> Span:
    """A posted highlight with its place in the response's text. Raises WrongSpans where it lies outside the text."""
    text, shown = texts.get(response, ""), places.get(response, [])
    if mark["of"] != len(shown) or not 0 <= mark["start"] < mark["end"] <= len(shown):
        raise WrongSpans(format_misfit())
    last = shown[mark["end"] - 1]
    end = last + (2 if text.startswith("\r\n", last) else 1)
    return {
        "response": response,
        "start": shown[mark["start"]],
        "end": end,
        "label": mark["label"],
        "note": mark["note"],
    }


def parse_mark(dataset: Dataset, posted: str) -> dict[str, Any]:
    """One field's {"answer", "start", "end", "of", "label", "note"}, its places unchecked. Raises WrongSpans."""
    try:
        mark = json.loads(posted) if len(posted) <= LONGEST_POSTED else None
    except (ValueError, RecursionError):
        mark = None
    if not isinstance(mark, dict) or set(mark) != {*PLACES, *TEXTS}:
        raise WrongSpans(format_misfit())
    if not (all(type(mark[name]) is int for name in PLACES) and all(is_storable(mark[name]) for name in TEXTS)):
        raise WrongSpans(format_misfit())
    if len(mark["note"]) > LONGEST_NOTE:
        raise WrongSpans(_("A note on a highlight has at most %(n)s characters.") % {"n": LONGEST_NOTE})
    if mark["label"] not in get_span_labels(dataset):
        raise WrongSpans(_("This highlight label is no longer available: %(label)s") % {"label": mark["label"][:80]})
    return mark


def is_storable(text: object) -> bool:
    """Whether it is a text that a database can store."""
    if not isinstance(text, str) or "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def format_misfit() -> str:
    return _("A highlight does not match the answer’s text: remove it or mark it again.")


def list_page_spans(dataset: Dataset, spans: Iterable[Span], side: str, text: str) -> list[PageSpan]:
    """The highlights of one response as the page shows them; not those within reasoning that is hidden now."""
    spans = list(spans)
    shown = list_shown_places(text, dataset.show_reasoning) if spans else []
    marks = []
    for span in spans:
        start, end = bisect_left(shown, span["start"]), bisect_left(shown, span["end"])
        if start < end:
            marks.append({"answer": side, "start": start, "end": end, "of": len(shown)} | build_said(span))
    return [build_page_span(dataset, mark, json.dumps(mark, ensure_ascii=False), text, shown) for mark in marks]


def build_said(span: Span) -> dict[str, str]:
    return {"label": span["label"], "note": span["note"]}


def read_page_spans(dataset: Dataset, posted: Iterable[str], side: str, text: str) -> list[PageSpan]:
    """The highlights of one response that a refused form or a draft has, as far as they are valid."""
    marks = []
    for value in posted:
        try:
            marks.append((parse_mark(dataset, value), value))
        except WrongSpans:
            continue
    marks = [(mark, value) for mark, value in marks[:MOST_SPANS] if mark["answer"] == side]
    shown = list_shown_places(text, dataset.show_reasoning) if marks else []
    return [
        build_page_span(dataset, mark, value, text, shown)
        for mark, value in marks
        if mark["of"] == len(shown) and 0 <= mark["start"] < mark["end"] <= len(shown)
    ]


def build_page_span(
    dataset: Dataset, mark: Mapping[str, Any], posted: str, text: str, shown: Sequence[int]
) -> PageSpan:
    label = get_span_labels(dataset).get(mark["label"], mark["label"])
    quote = "".join(text[place] for place in shown[mark["start"] : mark["end"]]).replace("\r", "\n")
    return PageSpan(posted, label, quote, mark["note"])

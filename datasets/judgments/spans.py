"""Highlights in words: the pieces of answers that people marked, as pages show them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.utils.functional import Promise

from datasets.judgments.wording import format_span_label
from datasets.models import Judgment, Response


@dataclass(frozen=True)
class DescribedSpan:
    """A highlight. letter: of its answer on the page. quote: what is marked, from the answer's source."""

    letter: str
    label: str | Promise
    quote: str
    note: str


def describe_spans(
    judgments: Iterable[Judgment], letters: Mapping[int, str], own_labels: Collection[str]
) -> dict[int, list[DescribedSpan]]:
    """{judgment id: its highlights, by answer and place}; only judgments that have some.

    letters: {response id: its letter on the page}. own_labels: those of the dataset; if it has none, the built-in ones
    were offered, and are translated.
    """
    spans = {judgment.pk: judgment.said.get("spans", []) for judgment in judgments}
    ids = {span["response"] for marked in spans.values() for span in marked}
    texts = dict(Response.objects.filter(pk__in=ids).values_list("pk", "text")) if ids else {}
    return {
        pk: [
            DescribedSpan(
                letters.get(span["response"], ""),
                format_span_label(span["label"], own_labels),
                texts.get(span["response"], "")[span["start"] : span["end"]],
                span["note"],
            )
            for span in sorted(marked, key=lambda span: (letters.get(span["response"], ""), span["start"]))
        ]
        for pk, marked in spans.items()
        if marked
    }

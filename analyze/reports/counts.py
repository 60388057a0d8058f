"""The part on counts: how often each answer and each source was chosen and rejected (the primer's table), and what was
highlighted in the answers of each source.
"""

from collections import Counter
from typing import Any

from django.utils.translation import gettext_lazy as _

from analyze.columns import AT_ONCE, DatasetColumns
from analyze.maths.counts import Counts, count_wins
from analyze.shapes import Line, Numbers, Tables
from datasets.judgments.progress import count_verdicts
from datasets.models import Judgment

LABEL = _("Totals")
PLACE = 1


def numbers(data: DatasetColumns) -> Numbers:
    choices = data.choices
    by_answer = count_wins(choices.chosen, choices.rejected, choices.strength)
    by_source = count_wins(data.get_sources(choices.chosen), data.get_sources(choices.rejected), choices.strength)
    by_verdict = count_verdicts(data.dataset)
    return {
        "judgments": Judgment.objects.votes().filter(dataset=data.dataset).count(),
        "choices": int((choices.strength > 0).sum()),
        "ties": int((choices.strength == 0).sum()),
        "both_bad": by_verdict["both_bad"],
        "skips": by_verdict["skip"],
        "counts": build_lines(data, by_answer),
        "sources": [
            {"source": source, "chosen": won, "rejected": lost, "tied": tied}
            for source, won, lost, tied in zip(*get_columns(by_source), strict=True)
        ],
        "highlights": count_spans(data),
    }


def count_spans(data: DatasetColumns) -> list[Line]:
    """A line for each label and source: how many highlights votes have of it, and how many votes have one."""
    spans, votes = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    marked = Judgment.objects.votes().filter(dataset=data.dataset, said__has_key="spans").order_by()
    for said in marked.values_list("said", flat=True).iterator(AT_ONCE):
        keys = [
            (span["label"], data.responses[span["response"]].source)
            for span in said["spans"]
            if span["response"] in data.responses
        ]
        spans.update(keys)
        votes.update(set(keys))
    return [
        {"label": label, "source": source, "marked": n, "in_judgments": votes[label, source]}
        for (label, source), n in sorted(spans.items(), key=lambda item: (-item[1], item[0]))
    ]


def build_lines(data: DatasetColumns, counted: Counts) -> list[Line]:
    """A line for each judged answer, the most judged first."""
    ids = counted.item.tolist()
    if data.most is not None:
        ids = ids[: data.most]
    texts = data.fetch_texts(ids)
    prompts = data.fetch_prompts([data.responses[pk].prompt for pk in ids])
    return [
        {
            "prompt": prompts[data.responses[pk].prompt],
            "response": texts[pk],
            "source": data.responses[pk].source,
            "chosen": won,
            "rejected": lost,
            "tied": tied,
        }
        for pk, won, lost, tied in zip(ids, *get_columns(counted)[1:], strict=False)
    ]


def get_columns(counted: Counts) -> list[list[Any]]:
    return [column.tolist() for column in (counted.item, counted.chosen, counted.rejected, counted.tied)]


def tables(numbers: Numbers) -> Tables:
    highlights = numbers.get("highlights", [])  # not in older reports
    return {"counts": numbers["counts"], "sources": numbers["sources"], "highlights": highlights}

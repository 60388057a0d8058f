"""Every judgment as one row of a table, for spreadsheets, notebooks and archives."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import QuerySet

from datasets.exports.extras import join_ids, merge_metadata, pick_origins
from datasets.exports.query import drop_hidden, list_hidden_imports
from datasets.exports.selection import ONLY, UNFLAGGED, UNPAUSED, VOTES, Filters
from datasets.formats import rows
from datasets.judgments.pauses import list_paused_ids
from datasets.judgments.said import Span
from datasets.models import Choice, Comparison, Dataset, Judgment, Rating, Response

AT_ONCE = 500  # judgments in memory

Entry = TypeVar("Entry", Choice, Rating)


def iter_judgment_rows(dataset: Dataset, filters: Filters, left_out: Counter[str]) -> Iterator[rows.JudgmentRow]:
    """Rows of all judgments of a dataset: standing verdicts, skips and flags.

    Lists are JSON texts in the order in which the responses were shown; better answers written by the annotator follow
    them. With FIRST, decisions are listed among the votes, and `purpose` distinguishes them; with ONLY, only decisions
    are listed.

    >>> [row.columns["annotator"] for row in iter_judgment_rows(dataset, Filters(), Counter())]
    ['alice']

    filters: only those on people, pauses, dates, tags, flags and decisions apply.
    left_out: counts judgments that are left out, by reason.
    """
    last: int = 0
    hidden = list_hidden_imports(dataset)
    paused: Collection[int] = list_paused_ids(dataset) if filters.paused == UNPAUSED else ()
    purposes = [Judgment.Purpose.VOTE] + [Judgment.Purpose.DECISION] * (filters.decisions != VOTES)
    judgments = Judgment.objects.visible_in(dataset).filter(dataset=dataset, purpose__in=purposes)
    judgments = judgments.exclude(purpose=Judgment.Purpose.DECISION, state=Judgment.State.SKIPPED)
    judgments = judgments.filter(state__in=[*Judgment.STANDING, Judgment.State.SKIPPED]).order_by("pk")
    judgments = judgments.select_related("comparison__prompt", "annotator").defer("comparison__prompt__html")
    while batch := list(judgments.filter(pk__gt=last)[:AT_ONCE]):
        last = batch[-1].pk
        choices = group_by_judgment(Choice.objects.filter(judgment__in=batch))
        ratings = group_by_judgment(Rating.objects.filter(judgment__in=batch))
        written_ids = {
            judgment.pk: [choice.chosen_id for choice in choices[judgment.pk] if choice.chosen_id not in judgment.order]
            for judgment in batch
        }
        response_ids = {judgment.pk: [*judgment.order, *dict.fromkeys(written_ids[judgment.pk])] for judgment in batch}
        responses = Response.objects.defer("html").in_bulk({pk for pks in response_ids.values() for pk in pks})
        flagged: Collection[int] = set(list_flagged_comparisons(batch)) if filters.flags == UNFLAGGED else ()
        for judgment in batch:
            if reason := find_left_out_reason(judgment, filters, flagged, paused):
                left_out[reason] += 1
            else:
                yield rows.JudgmentRow(
                    build_row(
                        judgment,
                        [responses[pk] for pk in response_ids[judgment.pk]],
                        choices[judgment.pk],
                        ratings[judgment.pk],
                        hidden,
                    )
                )


def group_by_judgment(entries: QuerySet[Entry]) -> defaultdict[int, list[Entry]]:
    """{judgment id: its entries, by id}"""
    grouped: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in entries.order_by("pk"):
        grouped[entry.judgment_id].append(entry)
    return grouped


def list_flagged_comparisons(judgments: Sequence[Judgment]) -> QuerySet[Judgment, int]:
    """Ids of the comparisons of these judgments that anybody flagged, with repetitions."""
    flags = Judgment.objects.filter(comparison__in={judgment.comparison_id for judgment in judgments}).exclude(flag="")
    return flags.values_list("comparison", flat=True)


def find_left_out_reason(
    judgment: Judgment, filters: Filters, flagged: Collection[int], paused: Collection[int] = ()
) -> str | None:
    """Why the filters leave a judgment out, or None.

    flagged: comparisons (ids) to leave out.
    paused: annotators (ids) to leave out.
    """
    if filters.tags and not set(filters.tags) & set(judgment.comparison.prompt.tags):
        return "tag"
    if filters.annotators and get_annotator_name(judgment) not in filters.annotators:
        return "annotator"
    if judgment.annotator_id in paused:
        return "paused"
    at: datetime = judgment.decided_at  # type: ignore[assignment]  # set in each state that is exported
    if (filters.since and at < filters.since) or (filters.until and at >= filters.until):
        return "date"
    if judgment.comparison_id in flagged:
        return "flagged"
    if filters.decisions == ONLY and judgment.purpose == Judgment.Purpose.VOTE:
        return "decided" if judgment.comparison.review == Comparison.Review.DECIDED else "undecided"
    return None


def get_annotator_name(judgment: Judgment) -> str:
    """Username of the annotator, or the imported name; "" for neither."""
    return judgment.annotator.username if judgment.annotator else judgment.imported_by


def build_row(
    judgment: Judgment,
    responses: Sequence[Response],
    choices: Sequence[Choice],
    ratings: Sequence[Rating],
    hidden: Collection[int],
) -> dict[str, Any]:
    """Row of one judgment.

    Its `choices` are [criterion, place of the chosen response, place of the rejected one, strength, rank_gap], its
    `ratings` [criterion, place, stars]; places count from 1 in the order of `responses`. `margin` is that of the choice
    that a file states. `response_turns` has the turns of each response, [] where none has several. `spans` are the
    highlights, see `build_spans`.

    hidden: imports (ids) whose ids and metadata are not visible yet.

    >>> judgment = dataset.judgments.first()
    >>> build_row(judgment, list(judgment.comparison.prompt.responses.all()), [], [], [])["verdict"]
    'left'
    """
    prompt, said = judgment.comparison.prompt, judgment.said
    shown = [response.text for response in responses if response.pk in judgment.order]
    origins = pick_origins(drop_hidden(prompt.origins, hidden), shown) if prompt.origins else []
    place = {response.pk: number for number, response in enumerate(responses, 1)}
    skipped = judgment.state == Judgment.State.SKIPPED
    return {
        "judgment": judgment.pk,
        "comparison": judgment.comparison.key,
        "annotator": get_annotator_name(judgment),
        "decided_at": judgment.decided_at.isoformat(timespec="milliseconds"),  # type: ignore[union-attr]  # set
        "seconds": judgment.seconds,
        "verdict": judgment.verdict or ("flag" if judgment.flag else "skip" if skipped else ""),
        "flag": judgment.flag,
        "surplus": judgment.surplus,
        "guideline": judgment.guideline,
        "reasons": format_json(said.get("reasons", [])),
        "reason": said.get("reason", ""),
        "note": said.get("note", ""),
        "tags": format_json(prompt.tags),
        "system": prompt.system,
        "turns": format_json(prompt.turns),
        "instruction": prompt.instruction,
        "input": prompt.input,
        "responses": format_json([response.text for response in responses]),
        "sources": format_json([response.source for response in responses]),
        "choices": format_json(
            [
                [entry.criterion, place[entry.chosen_id], place[entry.rejected_id], entry.strength, entry.rank_gap]
                for entry in choices
            ]
        ),
        "ratings": format_json([[entry.criterion, place[entry.response_id], entry.stars] for entry in ratings]),
        "said": format_json(said),
        "purpose": judgment.purpose,
        "id": join_ids(origins),
        "meta": merge_metadata(origins),
        "margin": next((entry.margin for entry in choices if entry.margin is not None), None),
        "response_turns": format_json(
            [response.turns or [] for response in responses] if any(response.turns for response in responses) else []
        ),
        "spans": format_json(build_spans(said.get("spans", []), responses)),
    }


def build_spans(spans: Iterable[Span], responses: Sequence[Response]) -> list[dict[str, Any]]:
    """The highlights of one judgment, each with the place of its response, from 1, and the text that it covers.

    >>> build_spans([], [])
    []
    """
    place = {response.pk: number for number, response in enumerate(responses, 1)}
    texts = {response.pk: response.text for response in responses}
    return [
        {"place": place[span["response"]], **span, "text": texts[span["response"]][span["start"] : span["end"]]}
        for span in spans
        if span["response"] in place
    ]


def format_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

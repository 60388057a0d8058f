"""Every judgment as one row of a table: for spreadsheets, notebooks, and to keep."""

import json
from collections import defaultdict

from datasets.exports.selection import ONLY, UNFLAGGED, UNPAUSED, VOTES
from datasets.formats import rows
from datasets.judgments.pauses import list_paused_ids
from datasets.models import Choice, Comparison, Judgment, Rating, Response

AT_ONCE = 500


def iter_judgment_rows(dataset, filters, left_out):
    """rows.JudgmentRow of every judgment that an export can be asked about: verdicts that stand, skips and flags.

    Of the filters those on people, pauses, dates, tags, flags and decisions count; all criteria are in it. With FIRST
    the decisions stand among the votes, and `purpose` tells them; with ONLY they stand alone. Lists are JSON texts, in
    the order in which the answers were shown; a better answer that was written with it stands behind them.
    """
    last, paused = 0, list_paused_ids(dataset) if filters.paused == UNPAUSED else ()
    purposes = [Judgment.Purpose.VOTE] + [Judgment.Purpose.DECISION] * (filters.decisions != VOTES)
    judgments = Judgment.objects.visible_in(dataset).filter(dataset=dataset, purpose__in=purposes)
    judgments = judgments.exclude(purpose=Judgment.Purpose.DECISION, state=Judgment.State.SKIPPED)
    judgments = judgments.filter(state__in=[*Judgment.STANDING, Judgment.State.SKIPPED]).order_by("pk")
    judgments = judgments.select_related("comparison__prompt", "annotator").defer("comparison__prompt__html")
    while batch := list(judgments.filter(pk__gt=last)[:AT_ONCE]):
        last = batch[-1].pk
        choices, ratings = group_by_judgment(Choice, batch), group_by_judgment(Rating, batch)
        written_ids = {
            judgment.pk: [choice.chosen_id for choice in choices[judgment.pk] if choice.chosen_id not in judgment.order]
            for judgment in batch
        }
        response_ids = {judgment.pk: [*judgment.order, *dict.fromkeys(written_ids[judgment.pk])] for judgment in batch}
        responses = Response.objects.defer("html").in_bulk({pk for pks in response_ids.values() for pk in pks})
        flagged = set(list_flagged_comparisons(batch)) if filters.flags == UNFLAGGED else ()
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
                    )
                )


def group_by_judgment(model, judgments):
    """{judgment id: [Choice or Rating]}"""
    grouped = defaultdict(list)
    for entry in model.objects.filter(judgment__in=judgments).order_by("pk"):
        grouped[entry.judgment_id].append(entry)
    return grouped


def list_flagged_comparisons(judgments):
    """The comparisons of these judgments that anybody flagged."""
    flags = Judgment.objects.filter(comparison__in={judgment.comparison_id for judgment in judgments}).exclude(flag="")
    return flags.values_list("comparison", flat=True)


def find_left_out_reason(judgment, filters, flagged, paused=()):
    """Why a judgment is not asked for, or None."""
    if filters.tags and not set(filters.tags) & set(judgment.comparison.prompt.tags):
        return "tag"
    if filters.annotators and get_annotator_name(judgment) not in filters.annotators:
        return "annotator"
    if judgment.annotator_id in paused:
        return "paused"
    if (filters.since and judgment.decided_at < filters.since) or (
        filters.until and judgment.decided_at >= filters.until
    ):
        return "date"
    if judgment.comparison_id in flagged:
        return "flagged"
    if filters.decisions == ONLY and judgment.purpose == Judgment.Purpose.VOTE:
        return "decided" if judgment.comparison.review == Comparison.Review.DECIDED else "undecided"
    return None


def get_annotator_name(judgment):
    return judgment.annotator.username if judgment.annotator else judgment.imported_by


def build_row(judgment, responses, choices, ratings):
    """One judgment's row. Choices are [criterion, place of the chosen answer, of the rejected one, strength, rank_gap],
    ratings [criterion, place, stars], places counted from 1 in the order shown."""
    prompt, said = judgment.comparison.prompt, judgment.said
    place = {response.pk: number for number, response in enumerate(responses, 1)}
    skipped = judgment.state == Judgment.State.SKIPPED
    return {
        "judgment": judgment.pk,
        "comparison": judgment.comparison.key,
        "annotator": get_annotator_name(judgment),
        "decided_at": judgment.decided_at.isoformat(timespec="milliseconds"),
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
    }


def format_json(value):
    return json.dumps(value, ensure_ascii=False)

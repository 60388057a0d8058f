"""Every judgment as one row of a table: for spreadsheets, notebooks, and to keep."""

import json
from collections import defaultdict

from datasets.exports.selection import ONLY, UNFLAGGED, UNPAUSED, VOTES
from datasets.formats import rows
from datasets.judgments.pauses import paused_here
from datasets.models import Choice, Comparison, Judgment, Rating, Response

AT_ONCE = 500


def judged(dataset, filters, left_out):
    """rows.Judged of every act of a person that an export can be asked about: verdicts that stand, skips and flags.

    Of the filters those on people, pauses, dates, tags, flags and decisions count; all criteria are in it. With FIRST
    the decisions stand among the votes, and `purpose` tells them; with ONLY they stand alone. Lists are JSON texts, in
    the order in which the answers were shown; a better answer that was written with it stands behind them.
    """
    last, paused = 0, paused_here(dataset) if filters.paused == UNPAUSED else ()
    purposes = [Judgment.Purpose.VOTE] + [Judgment.Purpose.DECISION] * (filters.decisions != VOTES)
    acts = Judgment.objects.visible_in(dataset).filter(dataset=dataset, purpose__in=purposes)
    acts = acts.exclude(purpose=Judgment.Purpose.DECISION, state=Judgment.State.SKIPPED)
    acts = acts.filter(state__in=[*Judgment.STANDING, Judgment.State.SKIPPED]).order_by("pk")
    acts = acts.select_related("comparison__prompt", "annotator").defer("comparison__prompt__html")
    while some := list(acts.filter(pk__gt=last)[:AT_ONCE]):
        last = some[-1].pk
        choices, ratings = said_in(Choice, some), said_in(Rating, some)
        written = {act.pk: [one.chosen_id for one in choices[act.pk] if one.chosen_id not in act.order] for act in some}
        shown = {act.pk: [*act.order, *dict.fromkeys(written[act.pk])] for act in some}
        responses = Response.objects.defer("html").in_bulk({pk for pks in shown.values() for pk in pks})
        flagged = set(flagged_among(some)) if filters.flags == UNFLAGGED else ()
        for act in some:
            if reason := kept_out(act, filters, flagged, paused):
                left_out[reason] += 1
            else:
                yield rows.Judged(
                    columns(act, [responses[pk] for pk in shown[act.pk]], choices[act.pk], ratings[act.pk])
                )


def said_in(model, acts):
    """{judgment id: [Choice or Rating]}"""
    found = defaultdict(list)
    for one in model.objects.filter(judgment__in=acts).order_by("pk"):
        found[one.judgment_id].append(one)
    return found


def flagged_among(acts):
    """The comparisons of these acts that anybody flagged."""
    flags = Judgment.objects.filter(comparison__in={act.comparison_id for act in acts}).exclude(flag="")
    return flags.values_list("comparison", flat=True)


def kept_out(act, filters, flagged, paused=()):
    """Why an act is not asked for, or None."""
    if filters.tags and not set(filters.tags) & set(act.comparison.prompt.tags):
        return "tag"
    if filters.annotators and name_of(act) not in filters.annotators:
        return "annotator"
    if act.annotator_id in paused:
        return "paused"
    if (filters.since and act.decided_at < filters.since) or (filters.until and act.decided_at >= filters.until):
        return "date"
    if act.comparison_id in flagged:
        return "flagged"
    if filters.decisions == ONLY and act.purpose == Judgment.Purpose.VOTE:
        return "decided" if act.comparison.review == Comparison.Review.DECIDED else "undecided"
    return None


def name_of(act):
    return act.annotator.username if act.annotator else act.imported_by


def columns(act, shown, choices, ratings):
    """One act's row. Choices are [criterion, place of the chosen answer, of the rejected one, strength, rank_gap],
    ratings [criterion, place, stars], places counted from 1 in the order shown."""
    prompt, said = act.comparison.prompt, act.said
    place = {response.pk: number for number, response in enumerate(shown, 1)}
    skipped = act.state == Judgment.State.SKIPPED
    return {
        "judgment": act.pk,
        "comparison": act.comparison.key,
        "annotator": name_of(act),
        "decided_at": act.decided_at.isoformat(timespec="milliseconds"),
        "seconds": act.seconds,
        "verdict": act.verdict or ("flag" if act.flag else "skip" if skipped else ""),
        "flag": act.flag,
        "surplus": act.surplus,
        "guideline": act.guideline,
        "reasons": as_json(said.get("reasons", [])),
        "reason": said.get("reason", ""),
        "note": said.get("note", ""),
        "tags": as_json(prompt.tags),
        "system": prompt.system,
        "turns": as_json(prompt.turns),
        "instruction": prompt.instruction,
        "input": prompt.input,
        "responses": as_json([response.text for response in shown]),
        "sources": as_json([response.source for response in shown]),
        "choices": as_json(
            [
                [one.criterion, place[one.chosen_id], place[one.rejected_id], one.strength, one.rank_gap]
                for one in choices
            ]
        ),
        "ratings": as_json([[one.criterion, place[one.response_id], one.stars] for one in ratings]),
        "said": as_json(said),
        "purpose": act.purpose,
    }


def as_json(value):
    return json.dumps(value, ensure_ascii=False)

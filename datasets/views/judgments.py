"""The page of a judgment, and what it shares with the lists of judgments in analyze/views/judgments.py."""

import datetime
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.shortcuts import render as render_template
from django.utils.functional import Promise
from django.views.decorators.http import require_safe

from datasets.comparisons.gold import HELD_BY_NOTHING, can_become_gold
from datasets.judgments import listing, outcomes, wording
from datasets.judgments.pauses import list_paused_ids
from datasets.judgments.spans import describe_spans
from datasets.models import Dataset, Judgment
from datasets.text.rendered import fill_prompt
from datasets.views.access import UserRequest, dataset_admin_required

OTHERS_SHOWN = 200


@dataset_admin_required
@require_safe
def judgment_page(request: UserRequest, dataset: Dataset, pk: int) -> HttpResponse:
    """A judgment as its annotator saw it, and the other judgments of the same comparison."""
    judgments = listing.annotate_speed(Judgment.objects.visible().filter(dataset=dataset).select_related("annotator"))
    judgment = get_object_or_404(judgments.select_related("comparison__prompt"), pk=pk)
    others = (
        judgments.filter(comparison=judgment.comparison_id).exclude(pk=pk).order_by("decided_at", "pk")[:OTHERS_SHOWN]
    )
    line = listing.describe_judgments([judgment])[0]
    letters = listing.assign_letters(judgment.order)
    answers, lines = outcomes.list_answers(judgment), listing.describe_judgments(others, judgment.order)
    context = {
        "judgment": judgment,
        "line": line,
        "verdict": format_title(judgment, line),
        "strength": wording.parse_strength(judgment.verdict),
        "criteria": wording.format_criteria(judgment, letters, dataset.criteria),
        "reasons": wording.format_reasons(judgment, dataset.chips),
        "spans": describe_spans([judgment], letters, dataset.span_labels).get(judgment.pk),
        "prompt": fill_prompt(judgment.comparison.prompt).html,
        "answers": answers[: len(judgment.order)],
        "written": answers[len(judgment.order) :],
        "others": outcomes.attach_letters(lines, judgment.order),
        "decision": next((line for line in lines if line.decides), None),
        "can_be_gold": can_become_gold(judgment),
        "decision_can_be_gold": judgment.comparison.held in HELD_BY_NOTHING,
    }
    return render_page(request, dataset, "judgment", context)


def format_title(judgment: Judgment, line: listing.DescribedJudgment) -> str | Promise:
    """The verdict in full, in the letters of the page: "B is better" where the lists say "Choice"."""
    if judgment.state == Judgment.State.SKIPPED or judgment.verdict not in ("left", "right"):
        return line.words
    return wording.format_pair_verdict(judgment.verdict, judgment.order, listing.assign_letters(judgment.order))


def render_page(
    request: HttpRequest, dataset: Dataset, name: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """A page about a dataset, with the context that all of them share: the paused annotators.

    name: of the template, without folder and suffix.
    """
    context |= {"dataset": dataset, "paused": list_paused_ids(dataset)}
    return render_template(request, f"datasets/{name}.html", context, status=status)


def parse_before(request: HttpRequest) -> tuple[datetime.datetime, int] | None:
    """The (time, id) before which the page starts; None for the first page."""
    key = request.GET.get("before")
    try:
        return listing.parse_page_key(key) if key else None
    except (ValueError, OverflowError):
        raise BadRequest("before") from None


def parse_person(request: HttpRequest, name: str) -> listing.Person | None:
    """The person in a query parameter; None if it is empty. Raises BadRequest for an unknown person."""
    token = request.GET.get(name)
    person = listing.find_person(token) if token else None
    if token and person is None:
        raise BadRequest(name)
    return person


def build_links(request: HttpRequest, name: str, key: str | None) -> dict[str, str | None]:
    """Query strings of other pages of a list: `more` is the next page, `first` the first one; None without such a page.

    name: the query parameter that holds the key.
    key: where the next page starts; None on the last page.
    """
    query = request.GET.copy()
    previous = query.pop(name, None)
    first = query.urlencode()
    query[name] = key or ""
    return {"more": query.urlencode() if key else None, "first": first if previous else None}

"""The lists of a dataset's judgments: the table, its file, and what was chosen and rejected."""

from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_safe

from analyze.inbox import list_outlier_ids
from datasets.files.writers import encode_csv
from datasets.judgments import listing, outcomes, statistics
from datasets.models import Dataset, Judgment
from datasets.views.access import UserRequest, dataset_admin_required
from datasets.views.downloads import stream_csv
from datasets.views.judgments import build_links, parse_before, parse_person, render_page
from datasets.views.sorting import parse_sort

RECORD_A_PAGE = 25


@dataset_admin_required
@require_safe
def judgment_list(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The votes and skips by time, newest first unless the query says otherwise, with filters."""
    form, order = build_filter(request, dataset), parse_sort(request, ["when"], "-when")
    context = build_filter_context(request, form) | {"sorting": order}
    if form.is_valid():
        judgments = form.apply(listing.list_votes_and_skips(dataset))
        page, older = listing.list_page(judgments, parse_before(request), oldest_first=order == "when")
        context |= {"judgments": listing.describe_judgments(page)} | build_links(request, "before", older)
    return render_page(request, dataset, "judgments", context, status=200 if form.is_valid() else 422)


@dataset_admin_required
@require_safe
def judgment_file(request: UserRequest, dataset: Dataset) -> StreamingHttpResponse:
    """The votes and skips of the same filters as CSV."""
    form = build_filter(request, dataset)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    judgments = form.apply(listing.list_votes_and_skips(dataset))
    return stream_csv(encode_csv(listing.iter_csv_rows(judgments), listing.COLUMNS), f"{dataset.slug}-judgments.csv")


@dataset_admin_required
@require_safe
def record_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The choices of one person, or of everybody, with filters."""
    person, form = parse_person(request, "person"), build_filter(request, dataset)
    context = build_filter_context(request, form)
    context |= {"person": person, "numbers": statistics.compute_numbers(dataset, [person])[0] if person else None}
    if form.is_valid():
        votes = form.apply(Judgment.objects.votes().filter(dataset=dataset, decided_at__isnull=False))
        page, older = listing.list_page(votes, parse_before(request), RECORD_A_PAGE)
        context["record"] = outcomes.build_record(listing.describe_judgments(page))
        context |= build_links(request, "before", older)
    return render_page(request, dataset, "record", context, status=200 if form.is_valid() else 422)


def build_filter(request: UserRequest, dataset: Dataset) -> listing.JudgmentFilter:
    """The filters in the query string. The report is read only where they ask for outliers."""
    asks_outliers = request.GET.get("mark") == listing.OUTLIER
    return listing.JudgmentFilter(dataset, request.GET, outliers=list_outlier_ids(dataset) if asks_outliers else ())


def build_filter_context(request: UserRequest, form: listing.JudgmentFilter) -> dict[str, Any]:
    """The context of a list's filters. query: the filters alone, without the page."""
    query = request.GET.copy()
    query.pop("before", None)
    return {"form": form, "filtered": any(query.get(name) for name in form.fields), "query": query.urlencode()}

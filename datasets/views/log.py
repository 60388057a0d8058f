"""The audit log of a dataset, and of all datasets and people."""

from typing import Any

from django.core.exceptions import BadRequest
from django.db.models import Manager
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from datasets.audit import listing
from datasets.files.writers import encode_csv
from datasets.models import Change, Dataset
from datasets.views.access import UserRequest, admin_required, dataset_admin_required
from datasets.views.downloads import stream_csv
from datasets.views.paging import parse_after


@dataset_admin_required
@require_safe
def dataset_log(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The audit log of a dataset."""
    context = {"dataset": dataset, "file": reverse("log-file", args=[dataset.slug])}
    return show_log(request, dataset.changes, context)


@dataset_admin_required
@require_safe
def dataset_log_file(request: UserRequest, dataset: Dataset) -> StreamingHttpResponse:
    """The audit log of a dataset as CSV."""
    return stream_log(request, dataset.changes, f"{dataset.slug}-log.csv")


@admin_required
@require_safe
def whole_log(request: UserRequest) -> HttpResponse:
    """The audit log of all datasets and people."""
    return show_log(request, Change.objects, {"file": reverse("log-all-file")})


@admin_required
@require_safe
def whole_log_file(request: UserRequest) -> StreamingHttpResponse:
    """The audit log of all datasets and people as CSV."""
    return stream_log(request, Change.objects, "log.csv")


def show_log(request: HttpRequest, changes: Manager[Change], context: dict[str, Any]) -> HttpResponse:
    """One page of the audit log, filtered. context: added to that of the template."""
    form, query = listing.LogFilter(request.GET), request.GET.copy()
    query.pop("before", None)
    context |= {"form": form, "query": query.urlencode(), "filtered": any(query.get(name) for name in form.fields)}
    if form.is_valid():
        page, older = listing.list_page(form.apply(changes.all()), parse_after(request, "before"))
        context |= {"changes": page, "first": context["query"] if "before" in request.GET else None}
        query["before"] = str(older or "")
        context["more"] = query.urlencode() if older else None
    return render(request, "datasets/log.html", context, status=200 if form.is_valid() else 422)


def stream_log(request: HttpRequest, changes: Manager[Change], name: str) -> StreamingHttpResponse:
    form = listing.LogFilter(request.GET)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    lines = encode_csv(listing.iter_csv_rows(form.apply(changes.all())), listing.COLUMNS)
    return stream_csv(lines, name)

"""The log of a dataset, and of all datasets and people."""

from django.core.exceptions import BadRequest
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from datasets.audit import listing
from datasets.comparisons import flags
from datasets.files.writers import encode_csv
from datasets.models import Change
from datasets.views.access import admin_required, dataset_admin_required
from datasets.views.downloads import stream_csv
from datasets.views.paging import parse_after


@dataset_admin_required
@require_safe
def dataset_log(request, dataset):
    context = {"dataset": dataset, "flags": flags.count_held(dataset), "file": reverse("log-file", args=[dataset.slug])}
    return show_log(request, dataset.changes, context)


@dataset_admin_required
@require_safe
def dataset_log_file(request, dataset):
    return stream_log(request, dataset.changes, f"{dataset.slug}-log.csv")


@admin_required
@require_safe
def whole_log(request):
    return show_log(request, Change.objects, {"file": reverse("log-all-file")})


@admin_required
@require_safe
def whole_log_file(request):
    return stream_log(request, Change.objects, "log.csv")


def show_log(request, changes, context):
    form, query = listing.LogFilter(request.GET), request.GET.copy()
    query.pop("before", None)
    context |= {"form": form, "query": query.urlencode(), "filtered": any(query.get(name) for name in form.fields)}
    if form.is_valid():
        page, older = listing.list_page(form.apply(changes.all()), parse_after(request, "before"))
        context |= {"changes": page, "first": context["query"] if "before" in request.GET else None}
        query["before"] = older or ""
        context["more"] = query.urlencode() if older else None
    return render(request, "datasets/log.html", context, status=200 if form.is_valid() else 422)


def stream_log(request, changes, name):
    form = listing.LogFilter(request.GET)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    lines = encode_csv(listing.iter_csv_rows(form.apply(changes.all())), listing.COLUMNS)
    return stream_csv(lines, name)

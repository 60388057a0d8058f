"""The pages of a dataset's report: an overview, and each part with its charts, tables and files."""

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analyze import summary
from analyze.latest_report import ReportStatus, fetch_numbers, get_status
from analyze.models import Report
from analyze.tables import build_tables, iter_csv_lines
from datasets.judgments.pauses import list_paused_ids
from datasets.judgments.progress import count_progress
from datasets.models import Dataset
from datasets.views.access import UserRequest, dataset_admin_required
from datasets.views.downloads import stream_csv
from datasets.views.sorting import Keys, parse_sort, sort_rows

if TYPE_CHECKING:
    from analyze.reports import Part

GLANCE_PARTS = ("strengths", "strengths_reason", "is_whole", "agreement", "annotators", "bias", "predictor")
LINES_SHOWN = 50
MOST_MARKED = 5
# {part: {column of its table that can be sorted: the value of a line}}
SORTED_BY: dict[str, Keys] = {
    "agreement": {name: itemgetter(name) for name in ("one", "other", "value", "n")},
    "annotators": {name: itemgetter(name) for name in ("annotator", "judgments", "reliability")}
    | {"drift": lambda line: line["drift"]["value"]},
    "counts": {name: itemgetter(name) for name in ("prompt", "response", "source", "chosen", "rejected", "tied")},
    "strengths": {name: itemgetter(name) for name in ("source", "strength", "judgments")},
}
PERSON_RATES = ("agreement", "gold", "self_consistency", "left_share", "longer_share", "tie_share")


@dataset_admin_required
@never_cache
@require_safe
def report_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The overview of a report, to read in ten seconds."""
    status = find_status(request, dataset)
    if status is None:
        return HttpResponse(status=204)
    context = {"progress": count_progress(dataset), **build_glance(status.report)}
    return render_page(request, dataset, "analyze/report.html", status, context)


def build_glance(report: Report | None) -> dict[str, Any]:
    """The context of the overview; empty without a report."""
    if report is None:
        return {}
    numbers = fetch_numbers(report, *GLANCE_PARTS)
    marked = [line for line in numbers["annotators"] if line["is_marked"]]
    return {
        "numbers": numbers,
        "usual": summary.find_usual_band(numbers["agreement"]),
        "of_agreement": summary.format_agreement(numbers["agreement"]),
        "of_sources": summary.format_sources(numbers),
        "of_bias": summary.format_bias(numbers["bias"]),
        "of_form": summary.pick_form_rates(numbers["bias"]),
        "of_predictor": summary.format_predictor(numbers["predictor"]),
        "marked": marked[:MOST_MARKED],
        "more_marked": len(marked[MOST_MARKED:]),
    }


@dataset_admin_required
@never_cache
@require_safe
def part_page(request: UserRequest, dataset: Dataset, name: str) -> HttpResponse:
    """One part of a report."""
    part = find_part(name)
    status = find_status(request, dataset)
    if status is None:
        return HttpResponse(status=204)
    numbers = status.report.numbers if status.report else {}
    order, said = parse_sort(request, SORTED_BY.get(name, {})), numbers.get(name)
    lines = said.get("people", []) if isinstance(said, dict) else said
    context = {
        "name": name,
        "part": part,
        "numbers": numbers,
        "said": said,
        "sorting": order,
        "sorted": sort_rows(lines or [], order, SORTED_BY.get(name, {})),
        "usual": summary.find_usual_band(numbers.get("agreement")),
        "tables": [table for table, rows in build_tables(name, part, numbers).items() if rows] if numbers else [],
        "lines_shown": LINES_SHOWN,
        "person_rates": PERSON_RATES,
    }
    return render_page(request, dataset, f"analyze/parts/{name}.html", status, context)


@dataset_admin_required
@never_cache
@require_safe
def part_file(request: UserRequest, dataset: Dataset, name: str, table: str) -> StreamingHttpResponse:
    """A table of a part as CSV, numbers unrounded."""
    part = find_part(name)
    report = get_object_or_404(Report, dataset=dataset)
    tables = build_tables(name, part, report.numbers)
    if table not in tables:
        raise Http404
    return stream_csv(iter_csv_lines(tables[table]), f"{dataset.slug}-{table}.csv")


def load_parts() -> "dict[str, Part]":
    """{name: module} of the parts; imports the mathematics, on the first request of a page that needs it."""
    from analyze import reports

    return reports.load_parts()


def find_part(name: str) -> "Part":
    """The part of this name.

    Raises Http404.
    """
    part = load_parts().get(name)
    if part is None:
        raise Http404
    return part


def find_status(request: UserRequest, dataset: Dataset) -> ReportStatus | None:
    """The ReportStatus of a report; None if the page polls for a report that is still being computed.

    Opening a page recomputes an old report; polling does not.
    """
    if not request.htmx:
        return get_status(dataset, request.user)
    status = get_status(dataset)
    return None if status.is_open else status


def render_page(
    request: UserRequest, dataset: Dataset, template: str, status: ReportStatus, context: dict[str, Any]
) -> HttpResponse:
    """A page with the state of its report; only its content for a page that polled."""
    context |= {"dataset": dataset, "paused": list_paused_ids(dataset)}
    context |= {"standing": status, "parts": load_parts()}
    return render(request, template, {"base": "analyze/_alone.html" if request.htmx else "base.html"} | context)

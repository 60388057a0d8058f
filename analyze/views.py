"""The report of a dataset: what it says at a glance, and each part with its charts, tables and files."""

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analyze import summary
from analyze.latest_report import numbers_in, standing
from analyze.models import Report
from analyze.tables import csv_lines, tables_of
from datasets.comparisons import flags
from datasets.judgments.pauses import paused_here
from datasets.judgments.progress import progress
from datasets.views.access import dataset_admin_required

AT_A_GLANCE = ("strengths", "strengths_reason", "is_whole", "agreement", "annotators", "bias", "predictor")
LINES_SHOWN = 50
NEED_A_LOOK = 5
PERSON_RATES = ("agreement", "gold", "self_consistency", "left_share", "longer_share", "tie_share")


@dataset_admin_required
@never_cache
@require_safe
def report_page(request, dataset):
    """What a report says, in ten seconds."""
    found = stands(request, dataset)
    if found is None:
        return HttpResponse(status=204)
    context = {"here": "report", "progress": progress(dataset), **at_a_glance(found.report)}
    return shown(request, dataset, "analyze/report.html", found, context)


def at_a_glance(report):
    """What the first page shows of a Report; nothing where there is none."""
    if report is None:
        return {}
    numbers = numbers_in(report, *AT_A_GLANCE)
    marked = [line for line in numbers["annotators"] if line["is_marked"]]
    return {
        "numbers": numbers,
        "usual": summary.usual(numbers["agreement"]),
        "of_agreement": summary.of_agreement(numbers["agreement"]),
        "of_sources": summary.of_sources(numbers),
        "of_bias": summary.of_bias(numbers["bias"]),
        "of_form": summary.of_form(numbers["bias"]),
        "of_predictor": summary.of_predictor(numbers["predictor"]),
        "marked": marked[:NEED_A_LOOK],
        "more_marked": len(marked[NEED_A_LOOK:]),
    }


@dataset_admin_required
@never_cache
@require_safe
def part_page(request, dataset, name):
    """One part of a report, with all that it says."""
    part = part_of(name)
    found = stands(request, dataset)
    if found is None:
        return HttpResponse(status=204)
    numbers = found.report.numbers if found.report else {}
    context = {
        "here": "report",
        "name": name,
        "part": part,
        "numbers": numbers,
        "said": numbers.get(name),
        "usual": summary.usual(numbers.get("agreement")),
        "tables": [table for table, rows in tables_of(name, part, numbers).items() if rows] if numbers else [],
        "lines_shown": LINES_SHOWN,
        "person_rates": PERSON_RATES,
    }
    return shown(request, dataset, f"analyze/parts/{name}.html", found, context)


@dataset_admin_required
@never_cache
@require_safe
def part_file(request, dataset, name, table):
    """A table of a part as CSV, numbers unrounded."""
    part = part_of(name)
    report = get_object_or_404(Report, dataset=dataset)
    tables = tables_of(name, part, report.numbers)
    if table not in tables:
        raise Http404
    response = StreamingHttpResponse(csv_lines(tables[table]), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{dataset.slug}-{table}.csv"'
    return response


def all_parts():
    """{name: module} of the parts: where a page of them is asked for, and not before, the mathematics are loaded."""
    from analyze import reports

    return reports.all_parts()


def part_of(name):
    part = all_parts().get(name)
    if part is None:
        raise Http404
    return part


def stands(request, dataset):
    """The Standing of a report. Whoever opens a page has it computed anew if it is old; a page that only asks whether
    that is done gets None until it is, and asks for nothing else."""
    if not request.htmx:
        return standing(dataset, request.user)
    found = standing(dataset)
    return None if found.is_open else found


def shown(request, dataset, template, found, context):
    """A page that tells how its report stands; its content alone where a page that waited for it asks."""
    context |= {"dataset": dataset, "flags": flags.counts(dataset), "paused": paused_here(dataset)}
    context |= {"standing": found, "parts": all_parts()}
    return render(request, template, {"base": "analyze/_alone.html" if request.htmx else "base.html"} | context)

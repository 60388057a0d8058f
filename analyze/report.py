"""Making a report, keeping it, and telling whether it is old. The mathematics is imported where a report is made: who
only asks for one, or judges, does not pay for it."""

import time

from django.db.models import Max
from django.utils import timezone
from django.utils.translation import override

from analyze.models import Report
from datasets.jobs import worker
from datasets.models import Job, Judgment, Response

KIND = "analysis"
JUDGMENTS_AT_ONCE, RESPONSES_AT_ONCE = 300, 3000  # so few take a moment only, and nobody waits for a worker
LONGEST_TEXT = 500  # characters of a text that a kept report holds


def compute_numbers(dataset, most=1000, progress=lambda done, total: None, weighted=False):
    """All that the parts say of a dataset, as JSON holds it. most: how many lines lists have at most, None for all.
    weighted: tell sources apart by choices that weigh as much as whose they are is reliable."""
    from analyze.columns import DatasetColumns
    from analyze.reports import build_json, load_parts

    data, numbers, parts = DatasetColumns(dataset, most), {"weighted": weighted}, load_parts()
    if weighted:
        from analyze.reports.annotators import compute_weights

        data.weights = compute_weights(data)
    for n, (_name, part) in enumerate(parts.items()):
        progress(n, len(parts))
        numbers |= build_json(part.numbers(data))
    return numbers


def make_report(dataset, progress=lambda done, total: None):
    """The Report of a dataset, computed anew and kept: reasons in English, long texts cut."""
    started, state = time.monotonic(), compute_basis(dataset)
    with override("en"):
        numbers = shorten_texts(compute_numbers(dataset, progress=progress))
    made = {"made_at": timezone.now(), "seconds": time.monotonic() - started}
    report, _made = Report.objects.update_or_create(
        dataset=dataset, defaults={"computed_from": state, "numbers": numbers, **made}
    )
    return report


def shorten_texts(value):
    """The value with every text in it cut to LONGEST_TEXT: what is kept of a report does not grow with what was
    judged."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}…"
    if isinstance(value, dict):
        return {key: shorten_texts(item) for key, item in value.items()}
    return [shorten_texts(item) for item in value] if isinstance(value, list) else value


def request_report(dataset, user):
    """The open task that computes a dataset's report anew; a new one where there is none."""
    waiting = Job.objects.filter(kind=KIND, dataset=dataset, state__in=Job.OPEN).order_by("pk").first()
    return waiting or worker.start(KIND, user, dataset, at_once=is_small(dataset))


def is_small(dataset):
    """Whether its report takes a moment only."""
    judgments = dataset.judgments.filter(state__in=Judgment.STANDING)[: JUDGMENTS_AT_ONCE + 1].count()
    responses = Response.objects.filter(prompt__dataset=dataset)[: RESPONSES_AT_ONCE + 1].count()
    return judgments <= JUDGMENTS_AT_ONCE and responses <= RESPONSES_AT_ONCE and not dataset.is_steered


def compute_basis(dataset):
    """What a report is computed from, as far as it can be told at a glance."""
    acts = Judgment.objects.filter(dataset=dataset, state__in=Judgment.STANDING)
    last = acts.aggregate(last=Max("decided_at"))["last"]
    return {
        "judgments": acts.count(),
        "last": last and last.isoformat(),
        "responses": Response.objects.filter(prompt__dataset=dataset).count(),
        "gold": dataset.gold.count(),
    }

"""Makes and stores a report, and finds out whether it is old.

The mathematics is imported where a report is made, so that other requests do not load it.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import override

from analyze.counted import Counted, count_and_store, is_large
from analyze.models import Report
from analyze.shapes import Numbers
from datasets.jobs import worker
from datasets.models import Dataset, Job, Judgment, Response

if TYPE_CHECKING:
    from annotate.models import User

KIND, BASIS = "analysis", "basis"
VERSION = 2  # changes with the numbers that a report holds: older ones are recomputed
JUDGMENTS_AT_ONCE, RESPONSES_AT_ONCE = 300, 3000  # up to these, the request itself computes the report
LONGEST_TEXT = 500  # characters of a text in a stored report


def compute_numbers(
    dataset: Dataset,
    most: int | None = 1000,
    progress: Callable[[int, int], None] = lambda done, total: None,
    weighted: bool = False,
) -> Numbers:
    """The numbers of all parts, as JSON values.

    most: lines per list, None for no limit.
    progress: called with (parts done, parts in total).
    weighted: weigh each choice by the reliability of its annotator when comparing sources.
    """
    from analyze.columns import DatasetColumns
    from analyze.reports import build_json, load_parts

    data, parts = DatasetColumns(dataset, most), load_parts()
    numbers: Numbers = {"weighted": weighted}
    if weighted:
        from analyze.reports.annotators import compute_weights

        data.weights = compute_weights(data)
    for n, (_name, part) in enumerate(parts.items()):
        progress(n, len(parts))
        numbers |= build_json(part.numbers(data))
    return numbers


def make_report(dataset: Dataset, progress: Callable[[int, int], None] = lambda done, total: None) -> Report:
    """The Report of a dataset, recomputed and stored: reasons in English, long texts truncated."""
    started, state = time.monotonic(), refresh_basis(dataset)
    with override("en"):
        numbers = shorten_texts(compute_numbers(dataset, progress=progress))
    made = {"made_at": timezone.now(), "seconds": time.monotonic() - started}
    report, _made = Report.objects.update_or_create(
        dataset=dataset, defaults={"computed_from": state, "numbers": numbers, **made}
    )
    return report


def shorten_texts(value: Any) -> Any:
    """The JSON value with every text truncated to LONGEST_TEXT, so that a report does not grow with the answers."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}…"
    if isinstance(value, dict):
        return {key: shorten_texts(item) for key, item in value.items()}
    return [shorten_texts(item) for item in value] if isinstance(value, list) else value


def request_report(dataset: Dataset, user: "User") -> Job:
    """The open task that recomputes a dataset's report; starts one if there is none."""
    waiting = Job.objects.filter(kind=KIND, dataset=dataset, state__in=Job.OPEN).order_by("pk").first()
    return waiting or worker.start(KIND, user, dataset, at_once=is_small(dataset))


def is_small(dataset: Dataset) -> bool:
    """Whether a report on the dataset takes only a moment."""
    judgments = dataset.judgments.filter(state__in=Judgment.STANDING)[: JUDGMENTS_AT_ONCE + 1].count()
    responses = Response.objects.filter(prompt__dataset=dataset)[: RESPONSES_AT_ONCE + 1].count()
    return judgments <= JUDGMENTS_AT_ONCE and responses <= RESPONSES_AT_ONCE and not dataset.is_steered


def get_basis(dataset: Dataset) -> dict[str, Any]:
    """The basis of a dataset, of a large one as last counted, see counted.py."""
    return Counted(dataset, [BASIS]).get(BASIS, lambda: compute_basis(dataset), dict[str, Any])


def refresh_basis(dataset: Dataset) -> dict[str, Any]:
    """The basis of a dataset, counted now: a report must not look old because of an older count."""
    if is_large(dataset):
        return count_and_store(dataset, BASIS, lambda: compute_basis(dataset))
    return compute_basis(dataset)


def compute_basis(dataset: Dataset) -> dict[str, Any]:
    """A cheap fingerprint of the data that a report is computed from."""
    acts = Judgment.objects.filter(dataset=dataset, state__in=Judgment.STANDING)
    dated = acts.filter(decided_at__isnull=False).order_by("-decided_at", "-pk")  # one step in the index acts_in_order
    last = dated.values_list("decided_at", flat=True).first()
    return {
        "judgments": acts.count(),
        "last": last and last.isoformat(),
        "responses": Response.objects.filter(prompt__dataset=dataset).count(),
        "gold": dataset.gold.count(),
        "version": VERSION,
    }

"""Background tasks: computing a report, and steering the queue by it."""

from collections.abc import Callable
from typing import Any

from analyze.report import KIND, make_report
from datasets.jobs.worker import kind
from datasets.models import Job


@kind(KIND)
def run_analysis(job: Job, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Task: compute a report. Result: {"report": slug}."""
    assert job.dataset is not None
    make_report(job.dataset, progress)
    if job.dataset.is_steered:
        from analyze.queue_order import steer

        steer(job.dataset)
    return {"report": job.dataset.slug}

"""Background task: recompute which comparisons go to reviewers."""

from collections.abc import Callable
from typing import Any

from datasets.comparisons.review import refresh_all
from datasets.jobs import worker
from datasets.jobs.limits import COMPARISONS_AT_ONCE
from datasets.jobs.worker import kind
from datasets.models import Dataset, Job


def start_review_refresh(dataset: Dataset) -> None:
    """Applies changed settings to what waits for a reviewer: immediately for a small dataset, else as a task."""
    if dataset.comparisons.count() <= COMPARISONS_AT_ONCE:
        refresh_all(dataset)
    else:
        worker.start("review", None, dataset)


@kind("review")
def run_review_refresh(job: Job, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """The task that `start_review_refresh` starts."""
    assert job.dataset is not None
    refresh_all(job.dataset, progress)
    return {"dataset": job.dataset.slug}

"""Task: see anew what goes to reviewers."""

from datasets.comparisons.review import refresh_all
from datasets.jobs import worker
from datasets.jobs.limits import COMPARISONS_AT_ONCE
from datasets.jobs.worker import kind


def start_review_refresh(dataset):
    """Bring what waits for a reviewer in line with changed settings: at once, or as a task where there is much."""
    if dataset.comparisons.count() <= COMPARISONS_AT_ONCE:
        refresh_all(dataset)
    else:
        worker.start("review", None, dataset)


@kind("review")
def run_review_refresh(job, progress):
    refresh_all(job.dataset, progress)
    return {"dataset": job.dataset.slug}

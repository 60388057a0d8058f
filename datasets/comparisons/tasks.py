"""Task: see anew what goes to reviewers."""

from datasets.comparisons.review import recount_all
from datasets.jobs import worker
from datasets.jobs.limits import COMPARISONS_AT_ONCE
from datasets.jobs.worker import kind


def see_what_to_review(dataset):
    """Bring what waits for a reviewer in line with changed settings: at once, or as a task where there is much."""
    if dataset.comparisons.count() <= COMPARISONS_AT_ONCE:
        recount_all(dataset)
    else:
        worker.start("review", None, dataset)


@kind("review")
def review(job, progress):
    recount_all(job.dataset, progress)
    return {"dataset": job.dataset.slug}

"""What is done in the background: computing a report, and what follows from it for the queue."""

from analyze.making import KIND, make_report
from datasets.jobs import kind


@kind(KIND)
def analysis(job, progress):
    make_report(job.dataset, progress)
    if job.dataset.is_steered:
        from analyze.ordering import steer

        steer(job.dataset)
    return {"report": job.dataset.slug}

"""What is done in the background: computing a report, and what follows from it for the queue."""

from analyze.report import KIND, make_report
from datasets.jobs.worker import kind


@kind(KIND)
def run_analysis(job, progress):
    make_report(job.dataset, progress)
    if job.dataset.is_steered:
        from analyze.queue_order import steer

        steer(job.dataset)
    return {"report": job.dataset.slug}

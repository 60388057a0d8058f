"""What is done in the background: computing a report."""

from analyze.making import KIND, make_report
from datasets.jobs import kind


@kind(KIND)
def analysis(job, progress):
    make_report(job.dataset, progress)
    return {"report": job.dataset.slug}

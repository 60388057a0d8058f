"""A dataset's report as it is kept: how old it is, the task that computes it anew, and its numbers."""

from dataclasses import dataclass

from analyze.models import Report
from analyze.report import KIND, compute_basis, request_report
from datasets.models import Job


@dataclass(frozen=True)
class ReportStatus:
    """How a dataset's report stands. report: what was computed last, None where nothing was; newer: judgments that it
    does not know of; job: the last task that was to compute it, where that is still open or has failed."""

    report: Report | None
    is_old: bool
    newer: int
    job: Job | None

    @property
    def is_open(self):
        return self.job is not None and self.job.is_open


def get_status(dataset, user=None):
    """The ReportStatus of a dataset's report. user: whoever opens a page of it; then it is computed anew if it is
    old."""
    report, now = find_latest_report(dataset), compute_basis(dataset)
    old = report is None or report.computed_from != now
    if user and old and request_report(dataset, user).state == Job.State.DONE:
        report, old = find_latest_report(dataset), False
    job = Job.objects.filter(kind=KIND, dataset=dataset).order_by("-pk").first()
    is_relevant = job is not None and (job.is_open or (old and job.state == Job.State.FAILED))
    newer = max(now["judgments"] - report.computed_from["judgments"], 0) if report else 0
    return ReportStatus(report, old, newer, job if is_relevant else None)


def find_latest_report(dataset):
    """The Report of a dataset without its numbers, which are read when they are asked for; None where none is."""
    return Report.objects.filter(dataset=dataset).defer("numbers").first()


def fetch_numbers(report, *parts):
    """{part: numbers} of a Report, of these parts alone; None where it has none of that name."""
    if report is None:
        return dict.fromkeys(parts)
    values = Report.objects.filter(pk=report.pk).values_list(*(f"numbers__{part}" for part in parts)).first()
    return dict(zip(parts, values or [None] * len(parts), strict=True))

"""The stored report of a dataset: its age, the task that recomputes it, and its numbers."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from analyze.models import Report
from analyze.report import KIND, get_basis, request_report
from analyze.wording import translate_text
from datasets.models import Dataset, Job

if TYPE_CHECKING:
    from annotate.models import User

SCRIPTS_WAIT = timedelta(minutes=10)  # a script that polls makes an old report be recomputed no more often
AGREEMENT = ("percent", "percent_interval", "alpha", "alpha_interval", "judged_twice")


@dataclass(frozen=True)
class ReportStatus:
    """The state of a dataset's report.

    report: the last one computed, or None.
    newer: number of judgments made since.
    job: the last task that computes it, if that is open or has failed.
    """

    report: Report | None
    is_old: bool
    newer: int
    job: Job | None

    @property
    def is_open(self) -> bool:
        """Whether a task is about to compute it."""
        return self.job is not None and self.job.is_open


def get_status(dataset: Dataset, user: "User | None" = None) -> ReportStatus:
    """The ReportStatus of a dataset's report.

    user: who opens a page of it; with a user, an old report is recomputed.
    """
    report, now = find_latest_report(dataset), get_basis(dataset)
    old = report is None or report.computed_from != now
    if user and old and request_report(dataset, user).state == Job.State.DONE:
        report, old = find_latest_report(dataset), False
    job = Job.objects.filter(kind=KIND, dataset=dataset).order_by("-pk").first()
    is_relevant = job is not None and (job.is_open or (old and job.state == Job.State.FAILED))
    newer = max(now["judgments"] - report.computed_from["judgments"], 0) if report else 0
    return ReportStatus(report, old, newer, job if is_relevant else None)


def find_latest_report(dataset: Dataset) -> Report | None:
    """The Report of a dataset, or None. Its numbers are deferred."""
    return Report.objects.filter(dataset=dataset).defer("numbers").first()


def fetch_numbers(report: Report | None, *parts: str) -> dict[str, Any]:
    """{part: numbers} of some parts of a Report; None for a part that it lacks."""
    if report is None:
        return dict.fromkeys(parts)
    values = Report.objects.filter(pk=report.pk).values_list(*(f"numbers__{part}" for part in parts)).first()
    return dict(zip(parts, values or [None] * len(parts), strict=True))


def fetch_agreement(dataset: Dataset, user: "User") -> dict[str, Any] | None:
    """The agreement of the last report, with its age, for a script of this user; None before the first one.

    The names are those of `analyze --json`; what cannot be computed is None, with the reason under `NAME_reason`.
    """
    status = get_status(dataset)
    is_due = status.report is None or status.report.made_at < timezone.now() - SCRIPTS_WAIT
    if status.is_old and is_due and get_basis(dataset)["judgments"]:
        status = get_status(dataset, user)
    said = fetch_numbers(status.report, "agreement")["agreement"]
    if status.report is None or said is None:
        return None
    values = {name: None if said[name] == [None, None] else said[name] for name in AGREEMENT}
    reasons = {f"{name}_reason": translate_text(said.get(f"{name}_reason")) or None for name in ("percent", "alpha")}
    return {**values, **reasons, "made_at": status.report.made_at, "newer": status.newer}

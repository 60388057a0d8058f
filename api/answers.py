"""The fields of the endpoints' answers."""

from typing import TYPE_CHECKING, Any

from analyze.latest_report import fetch_agreement
from api.dataset_settings import collect_settings
from datasets import reasons
from datasets.comparisons import flags
from datasets.judgments import progress
from datasets.models import Dataset, Job, Prompt

if TYPE_CHECKING:
    from annotate.models import User

ROOT = "/api/v1/"


def build_dataset_line(dataset: Dataset) -> dict[str, Any]:
    """The fields of DatasetLine."""
    return {
        "slug": dataset.slug,
        "name": dataset.name,
        "state": dataset.state,
        "progress": progress.count_progress(dataset),
    }


def build_dataset(dataset: Dataset, user: "User") -> dict[str, Any]:
    """The fields of DatasetOut. user: who asks."""
    return {
        **build_dataset_line(dataset),
        "prompts": Prompt.objects.visible().filter(dataset=dataset).count(),
        "verdicts": progress.count_verdicts(dataset),
        "flagged": flags.count_held(dataset).flagged,
        "sources": progress.count_by_source(dataset),
        "agreement": fetch_agreement(dataset, user),
        "settings": collect_settings(dataset),
    }


def build_task(job: Job) -> dict[str, Any]:
    """The fields of TaskOut."""
    return {
        "number": job.pk,
        "address": f"{ROOT}tasks/{job.pk}/",
        "kind": job.kind,
        "state": job.state,
        "dataset": job.dataset and job.dataset.slug,
        "done": job.done,
        "total": job.total,
        "seconds_left": job.seconds_left,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "result": job.result,
        "error": str(reasons.JOB.get(job.error, job.error)),
    }

"""The background task that acts on all prompts that match the filters of the list."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from django.http import QueryDict

from datasets import reasons
from datasets.jobs import worker
from datasets.jobs.worker import JobFailure, kind
from datasets.models import Dataset, Job
from datasets.prompts import bulk, search

if TYPE_CHECKING:
    from annotate.models import User

STEP = 1_000  # prompts between two looks at whether the task was cancelled


def start_act(dataset: Dataset, user: "User", query: str, act: Mapping[str, Any]) -> Job:
    """Starts the task. query: of the list. act: arguments of `bulk.perform`."""
    return worker.start("prompts", user, dataset, query=query, act=act)


@kind("prompts")
def act_on_matching(job: Job, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """The task that `start_act` starts. If it is started again, it goes on with the rest."""
    assert job.dataset is not None
    form = search.PromptFilter(job.dataset, QueryDict(job.arguments["query"]))
    if not form.is_valid():
        raise JobFailure(form.errors.as_text())
    ids = search.list_matching_ids(job.dataset, form)
    outcome = bulk.Outcome()
    for start in range(0, len(ids), STEP):
        progress(start, len(ids))
        try:
            part = bulk.perform(
                job.dataset, ids[start : start + STEP], **job.arguments["act"], by=job.created_by, job=job
            )
        except bulk.CannotAct as refusal:
            raise JobFailure(reasons.CANNOT_ACT[refusal.reason]) from None
        outcome.prompts += part.prompts
        outcome.comparisons += part.comparisons
        outcome.left += part.left
    return {"dataset": job.dataset.slug, "acted": {**vars(outcome), "left": dict(outcome.left)}}

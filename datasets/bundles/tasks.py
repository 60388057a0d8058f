"""Background tasks: make a bundle, and push it to the Hub."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.datastructures import MultiValueDict

from datasets import reasons
from datasets.bundles import hub
from datasets.bundles.archive import make_bundle
from datasets.bundles.forms import BundleForm
from datasets.exports.forms import FilterForm
from datasets.jobs import secrets, worker
from datasets.jobs.limits import PROMPTS_AT_ONCE
from datasets.jobs.worker import JobFailure, kind
from datasets.models import Dataset, Job, Snapshot

if TYPE_CHECKING:
    from annotate.models import User


def is_small(dataset: Dataset) -> bool:
    """Whether a bundle of this dataset can be made within a request."""
    return dataset.prompts.count() <= PROMPTS_AT_ONCE


def start_bundle(
    dataset: Dataset, user: "User", form_data: Mapping[str, list[str]], at_once: bool | None = None
) -> Job:
    """Starts the task that makes a bundle.

    form_data: for FilterForm and BundleForm, {name: [values]}.
    at_once: whether to make it before returning; by default, where the dataset is small.
    """
    at_once = is_small(dataset) if at_once is None else at_once
    return worker.start("bundle", user, dataset, at_once, said=form_data, made_by=user.username)


@kind("bundle")
def bundle(job: Job, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """The task that `start_bundle` starts."""
    assert job.dataset is not None
    data = MultiValueDict(job.arguments["said"])
    filters, form = FilterForm(job.dataset, data), BundleForm(data)
    if not (filters.is_valid() and form.is_valid()):
        raise JobFailure(filters.errors.as_text() + form.errors.as_text())
    bundle_settings = form.build_settings(filters.build_filters())
    snapshot = make_bundle(job.dataset, bundle_settings, job.arguments["made_by"], progress)
    return {"dataset": job.dataset.slug, "bundle": snapshot.number}


def start_push(
    snapshot: Snapshot, user: "User | None", repo: str, token: str = "", public: bool = False, here: bool = False
) -> Job:
    """Starts the task that pushes a bundle to the Hub.

    user: None for a command.
    token: access token; "" for the server's own (HF_TOKEN).
    here: whether to push before returning.
    """
    arguments: dict[str, Any] = {
        "bundle": snapshot.number,
        "repo": repo,
        "public": public,
        "of": f"{snapshot} → {repo}",
    }
    secret = secrets.seal(token) if token else ""
    return worker.start("push", user, snapshot.dataset, here=here, secret=secret, **arguments)


@kind("push")
def push(job: Job, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """The task that `start_push` starts."""
    assert job.dataset is not None
    arguments = job.arguments
    snapshot = job.dataset.snapshots.filter(number=arguments["bundle"], is_whole=True).get()
    try:
        token = secrets.unseal(job.secret) if job.secret else settings.HF_TOKEN
        if not token:
            raise hub.CannotPush("no_token")
        pushed = hub.push(snapshot, arguments["repo"], token, arguments["public"], progress)
    except secrets.UnreadableSecret:
        raise JobFailure(reasons.HUB["token_gone"]) from None
    except hub.CannotPush as why:
        detail = f" ({why.detail})" if why.detail else ""
        raise JobFailure(f"{reasons.HUB[why.reason]}{detail}", reason=why.reason) from None
    return {"dataset": job.dataset.slug, "bundle": snapshot.number, **asdict(pushed)}

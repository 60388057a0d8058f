"""Tasks: make a bundle, and push it to the Hub."""

from dataclasses import asdict

from django.conf import settings
from django.utils.datastructures import MultiValueDict

from datasets import reasons
from datasets.bundles import hub
from datasets.bundles.archive import make_bundle
from datasets.bundles.forms import BundleForm
from datasets.exports.forms import FilterForm
from datasets.jobs import secrets, worker
from datasets.jobs.limits import PROMPTS_AT_ONCE
from datasets.jobs.worker import Failed, kind


def is_small(dataset):
    """Whether to make a bundle of it takes a moment only."""
    return dataset.prompts.count() <= PROMPTS_AT_ONCE


def bundle_of(dataset, user, said, at_once=None):
    """The task that makes a bundle; said: the forms' data, {name: [values]}. Where it is small, at once."""
    at_once = is_small(dataset) if at_once is None else at_once
    return worker.start("bundle", user, dataset, at_once, said=said, made_by=user.username)


@kind("bundle")
def bundle(job, progress):
    data = MultiValueDict(job.arguments["said"])
    filters, form = FilterForm(job.dataset, data), BundleForm(data)
    if not (filters.is_valid() and form.is_valid()):
        raise Failed(filters.errors.as_text() + form.errors.as_text())
    kept = make_bundle(job.dataset, form.settings(filters.filters()), job.arguments["made_by"], progress)
    return {"dataset": job.dataset.slug, "bundle": kept.number}


def push_of(kept, user, repo, token="", public=False, here=False):
    """The task that pushes a bundle to the Hub, with this token or that of the environment."""
    said = {"bundle": kept.number, "repo": repo, "public": public, "of": f"{kept} → {repo}"}
    secret = secrets.seal(token) if token else ""
    return worker.start("push", user, kept.dataset, here=here, secret=secret, **said)


@kind("push")
def push(job, progress):
    said = job.arguments
    kept = job.dataset.snapshots.filter(number=said["bundle"], is_whole=True).get()
    try:
        token = secrets.unseal(job.secret) if job.secret else settings.HF_TOKEN
        if not token:
            raise hub.CannotPush("no_token")
        pushed = hub.push(kept, said["repo"], token, said["public"], progress)
    except secrets.Unreadable:
        raise Failed(reasons.HUB["token_gone"]) from None
    except hub.CannotPush as why:
        detail = f" ({why.detail})" if why.detail else ""
        raise Failed(f"{reasons.HUB[why.reason]}{detail}", reason=why.reason) from None
    return {"dataset": job.dataset.slug, "bundle": kept.number, **asdict(pushed)}

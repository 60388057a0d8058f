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
from datasets.jobs.worker import JobFailure, kind


def is_small(dataset):
    """Whether to make a bundle of it takes a moment only."""
    return dataset.prompts.count() <= PROMPTS_AT_ONCE


def start_bundle(dataset, user, form_data, at_once=None):
    """The task that makes a bundle; form_data: the forms' data, {name: [values]}. Where it is small, at once."""
    at_once = is_small(dataset) if at_once is None else at_once
    return worker.start("bundle", user, dataset, at_once, said=form_data, made_by=user.username)


@kind("bundle")
def bundle(job, progress):
    data = MultiValueDict(job.arguments["said"])
    filters, form = FilterForm(job.dataset, data), BundleForm(data)
    if not (filters.is_valid() and form.is_valid()):
        raise JobFailure(filters.errors.as_text() + form.errors.as_text())
    bundle_settings = form.build_settings(filters.build_filters())
    snapshot = make_bundle(job.dataset, bundle_settings, job.arguments["made_by"], progress)
    return {"dataset": job.dataset.slug, "bundle": snapshot.number}


def start_push(snapshot, user, repo, token="", public=False, here=False):
    """The task that pushes a bundle to the Hub, with this token or that of the environment."""
    arguments = {"bundle": snapshot.number, "repo": repo, "public": public, "of": f"{snapshot} → {repo}"}
    secret = secrets.seal(token) if token else ""
    return worker.start("push", user, snapshot.dataset, here=here, secret=secret, **arguments)


@kind("push")
def push(job, progress):
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

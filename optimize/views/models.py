"""The models that answer: their versions and endpoints, a probe, and a trial."""

from typing import Any

from django.contrib import messages
from django.forms import BaseForm
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from datasets.jobs import worker
from datasets.models import Job
from datasets.text.rendered import render as render_text
from datasets.views.access import UserRequest, admin_required
from datasets.views.sorting import Keys, parse_sort, sort_rows
from optimize import reasons
from optimize.forms import EndpointForm, ModelForm, TryForm
from optimize.models import Generation, ModelVersion
from optimize.versions import delete_model, find_version, is_used, list_newest
from optimize.wanted import Used, sum_used

NOTHING_USED = Used(0, 0, 0)
SORTED_BY: Keys = {
    "name": lambda row: row[0].name,
    "model": lambda row: row[0].model_id,
    "server": lambda row: row[0].endpoint.base_url,
    "answers": lambda row: row[1],
}


@admin_required
def model_list(request: UserRequest) -> HttpResponse:
    """The models, and the form for a new one."""
    form = ModelForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and (version := form.save(request.user)):
        messages.success(request, _("Saved as %(source)s.") % {"source": version.source})
        return redirect("model", version.name)
    used = sum_used(Generation.objects.all())
    by_name: dict[str, int] = {}
    for pk, name in ModelVersion.objects.values_list("pk", "name"):
        by_name[name] = by_name.get(name, 0) + used.get(pk, NOTHING_USED).answers
    order = parse_sort(request, SORTED_BY, "name")
    models = sort_rows([(version, by_name[version.name]) for version in list_newest()], order, SORTED_BY)
    context = {"form": form, "models": models, "sorting": order}
    return render(request, "optimize/models.html", context, status=422 if form.errors else 200)


@admin_required
@never_cache
def model_page(request: UserRequest, name: str) -> HttpResponse:
    """A model: its versions, its endpoint, a trial. POST saves the values of the form as a version."""
    version = require_version(name)
    if request.POST.get("act") == "delete":
        if delete_model(version.name):
            messages.success(request, _("%(name)s was deleted.") % {"name": version.name})
        return redirect("models")
    form = ModelForm(request.POST or None, version=version)
    if request.method == "POST" and form.is_valid() and (saved := form.save(request.user)):
        messages.success(request, _("Saved as %(source)s.") % {"source": saved.source})
        return redirect("model", saved.name)
    return show_model(request, version, form=form)


@admin_required
def model_endpoint(request: UserRequest, name: str) -> HttpResponse:
    """POST saves the limits and prices of a model's endpoint."""
    version = require_version(name)
    if request.method != "POST":
        return redirect("model", version.name)
    form = EndpointForm(request.POST, instance=version.endpoint)
    if form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("model", version.name)
    return show_model(request, version, endpoint_form=form)


@admin_required
def model_try(request: UserRequest, name: str) -> HttpResponse:
    """POST starts a trial: one prompt, three answers."""
    version = require_version(name)
    if request.method != "POST":
        return redirect("model", version.name)
    form = TryForm(request.POST)
    if not form.is_valid():
        return show_model(request, version, try_form=form)
    page = reverse("model", args=[version.name])
    arguments = {"version": version.pk, "prompt": form.cleaned_data["prompt"], "of": version.source, "page": page}
    job = worker.start("try", request.user, **arguments)
    return redirect(f"{page}?trial={job.pk}#trial")


@admin_required
def model_probe(request: UserRequest, name: str) -> HttpResponse:
    """POST starts a look at what the endpoint honours."""
    version = require_version(name)
    page = reverse("model", args=[version.name])
    if request.method != "POST":
        return redirect(page)
    job = worker.start("probe", request.user, version=version.pk, of=str(version.endpoint), page=page)
    return redirect(f"{page}?probe={job.pk}#endpoint")


def require_version(name: str) -> ModelVersion:
    """The newest version of a model. Raises Http404."""
    try:
        return find_version(name)
    except ModelVersion.DoesNotExist:
        raise Http404 from None


def show_model(
    request: UserRequest,
    version: ModelVersion,
    form: BaseForm | None = None,
    endpoint_form: BaseForm | None = None,
    try_form: BaseForm | None = None,
) -> HttpResponse:
    """The page of a model; forms that are missing show what is stored."""
    trial = find_job(request, "trial", "try", version)
    probing = find_job(request, "probe", "probe", version)
    used = sum_used(Generation.objects.filter(version__name=version.name))
    versions = ModelVersion.objects.select_related("endpoint", "made_by").filter(name=version.name)
    initial = {"prompt": trial.arguments["prompt"]} if trial else None
    context = {
        "version": version,
        "is_used": is_used(version),
        "versions": [describe_used(each, used.get(each.pk, NOTHING_USED)) for each in versions.order_by("-number")],
        "endpoint": version.endpoint,
        "found": describe_findings(version.endpoint.probed),
        "form": form or ModelForm(version=version),
        "endpoint_form": endpoint_form or EndpointForm(instance=version.endpoint),
        "try_form": try_form or TryForm(initial=initial),
        "trial": trial,
        "probing": probing if probing and probing.is_open else None,
        "answers": list_answers(trial),
    }
    if request.htmx:
        panel = "optimize/_trial.html" if trial else "optimize/_endpoint.html"
        is_open = any(job and job.is_open for job in (trial, probing))
        return render(request, panel, context, status=200 if is_open else 286)  # 286: htmx asks no more
    has_errors = any(each is not None and each.errors for each in (form, endpoint_form, try_form))
    return render(request, "optimize/model.html", context, status=422 if has_errors else 200)


def find_job(request: UserRequest, parameter: str, kind: str, version: ModelVersion) -> Job | None:
    """The task of a version that a parameter of the address names."""
    number = request.GET.get(parameter, "")
    if not number.isdecimal() or len(number) > 18:
        return None
    job = Job.objects.filter(pk=int(number), kind=kind).first()
    if job is None or not ModelVersion.objects.filter(pk=job.arguments["version"], name=version.name).exists():
        return None
    if worker.is_abandoned(job):
        worker.wake()
    return job


def describe_used(version: ModelVersion, used: Used) -> dict[str, Any]:
    """A version with what its answers took, for the table."""
    endpoint = version.endpoint
    cost = endpoint.compute_cost(used.tokens_in, used.tokens_out) if endpoint.has_prices else None
    return {"version": version, "used": used, "cost": cost, "currency": endpoint.currency}


def list_answers(job: Job | None) -> list[dict[str, Any]]:
    """The answers of a finished trial, as safe HTML."""
    if job is None:
        return []
    return [
        {
            **answer,
            "html": render_text(answer["text"]) if "text" in answer else "",
            "took": f"{answer.get('ms', 0) / 1000:.1f} s",
            "why": explain_failure(answer),
        }
        for answer in job.result.get("answers", [])
    ]


def explain_failure(answer: dict[str, Any]) -> str:
    """Why an answer failed; "" if it did not."""
    code = answer.get("failure", "")
    return str(reasons.FAILED.get(code) or reasons.MODEL.get(code) or code)


def describe_findings(probed: dict[str, Any]) -> list[str]:
    """What a probe found, in sentences."""
    if not probed:
        return []
    if "failure" in probed:
        return [f"{explain_failure(probed)} {probed.get('detail', '')}".strip()]
    names = ", ".join(probed.get("models", [])[:10])
    sentences = [
        _("It lists these models: %(names)s.") % {"names": names} if names else _("It does not list its models."),
        _("It streams answers.") if probed.get("stream") else _("It does not stream: each answer arrives whole."),
        _("It reports token usage.") if probed.get("usage") else _("It does not report token usage."),
    ]
    seed = probed.get("seed")
    if seed is None:
        sentences.append(_('It rejects seeds: set "seed" to null in the extra request fields.'))
    else:
        sentences.append(
            _("The same seed gives the same answer.")
            if seed
            else _("The same seed does not always give the same answer.")
        )
    return [str(sentence) for sentence in sentences]

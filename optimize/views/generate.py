"""Generation in a dataset: which models answer, the estimate, progress, pause and resume; a dataset without a file."""

from collections import Counter
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from datasets import reasons as dataset_reasons
from datasets.jobs import worker
from datasets.models import Dataset, Job, Prompt
from datasets.views.access import UserRequest, admin_required, dataset_admin_required
from optimize import reasons
from optimize.forms import GenerateForm, StartForm
from optimize.generation import KIND, AlreadyRunning, Limits, load_wanted, restart_generation, start_generation
from optimize.models import Generation, ModelVersion
from optimize.starting import create_dataset
from optimize.versions import list_newest
from optimize.wanted import State, Used, Wanted, count_generations, estimate, sum_used

FEW_MODELS = 2  # all of them are chosen at first


@admin_required
def start_page(request: UserRequest) -> HttpResponse:
    """A dataset without a file: type prompts, choose models; POST creates it and asks the models."""
    models = list_newest()
    chosen = [version.name for version in models] if len(models) <= FEW_MODELS else []
    form = StartForm(request.POST or None, initial={"models": chosen})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        dataset = create_dataset(data["slug"], data["prompts"], request.user)
        page = reverse("generate", args=[dataset.slug])
        start_generation(Wanted(dataset, data["models"], data["n"]), build_limits(data), by=request.user, page=page)
        return redirect(page)
    context = {"form": form, "models": models}
    return render(request, "optimize/start.html", context, status=422 if form.errors else 200)


@dataset_admin_required
@never_cache
def generate_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Generation in a dataset. With the form's fields in the address, the estimate; POST starts, pauses or resumes."""
    job = dataset.jobs.filter(kind=KIND).order_by("-pk").first()
    if request.method == "POST":
        return change_generation(request, dataset, job)
    if job and worker.is_abandoned(job):
        worker.wake()
    if request.htmx:
        context = {"dataset": dataset, **describe_job(job)}
        is_open = job is not None and job.is_open
        return render(request, "optimize/_generation.html", context, status=200 if is_open else 286)
    prompt = find_prompt(dataset, request.GET.get("prompt", ""))
    is_asked = "n" in request.GET
    form = GenerateForm(request.GET if is_asked else None, initial=choose_initial(dataset, prompt))
    return show_page(request, dataset, job, form, prompt)


def change_generation(request: UserRequest, dataset: Dataset, job: Job | None) -> HttpResponse:
    """Pauses or resumes the dataset's task, or starts a new one with the values of the form."""
    act = request.POST.get("act", "")
    if act == "pause" and job:
        worker.cancel(job)
        return redirect("generate", dataset.slug)
    try:
        if act == "resume" and job:
            restart_generation(job, request.user, page=request.path)
            return redirect("generate", dataset.slug)
        prompt = find_prompt(dataset, request.POST.get("prompt", ""))
        form = GenerateForm(request.POST)
        if not form.is_valid():
            return show_page(request, dataset, job, form, prompt)
        limits = build_limits(form.cleaned_data)
        start_generation(build_wanted(dataset, form, prompt), limits, by=request.user, page=request.path)
    except AlreadyRunning:
        messages.error(request, _("Generation is running. Pause it first."))
    return redirect("generate", dataset.slug)


def show_page(
    request: UserRequest, dataset: Dataset, job: Job | None, form: GenerateForm, prompt: Prompt | None
) -> HttpResponse:
    """The page with a form; with the estimate if the form is valid."""
    estimates = estimate(build_wanted(dataset, form, prompt)) if form.is_bound and form.is_valid() else []
    context = {
        "dataset": dataset,
        "form": form,
        "prompt": prompt,
        "models": list_newest(),
        "prompts": Prompt.objects.visible().filter(dataset=dataset).count(),
        "estimates": estimates,
        "answers": sum(each.answers for each in estimates),
        **describe_job(job),
    }
    return render(request, "optimize/generate.html", context, status=422 if form.errors else 200)


def find_prompt(dataset: Dataset, number: str) -> Prompt | None:
    """The prompt to which generation is limited; None for all of them. Raises Http404."""
    if not number:
        return None
    prompts = Prompt.objects.visible().filter(dataset=dataset)
    prompt = prompts.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 19 else None
    if prompt is None:
        raise Http404
    return prompt


def choose_initial(dataset: Dataset, prompt: Prompt | None) -> dict[str, Any]:
    """The initial values of the form: for one prompt, the models that have answered it, and one answer more."""
    rows = Generation.objects.filter(prompt=prompt) if prompt else Generation.objects.filter(prompt__dataset=dataset)
    there = list(rows.order_by().values_list("version__name", "place").distinct()[:1000])
    names = {name for name, _place in there} or {version.name for version in list_newest()}
    places = [place for _name, place in there]
    initial: dict[str, Any] = {"models": sorted(names)}
    if places:
        initial["n"] = max(places) + 1 if prompt else max(places)
    return initial


def build_wanted(dataset: Dataset, form: GenerateForm, prompt: Prompt | None) -> Wanted:
    """What a valid form asks for."""
    data = form.cleaned_data
    return Wanted(dataset, data["models"], data["n"], [prompt.pk] if prompt else None)


def build_limits(data: dict[str, Any]) -> Limits:
    """The limits of a valid form."""
    return Limits(data["most_answers"], data["most_tokens"], data["most_money"])


def describe_job(job: Job | None) -> dict[str, Any]:
    """What the panel shows of a task: counts, failures by reason, warnings, what the answers took."""
    if job is None:
        return {"job": None}
    wanted = load_wanted(job)
    counts, rows = count_generations(wanted), wanted.get_generations()
    warned = rows.filter(state=State.DONE).exclude(warnings=[]).values_list("warnings", flat=True)
    warnings = Counter(warning for warnings in warned.iterator() for warning in warnings)
    used = sum_used(rows)
    code = job.result.get("failure", "")
    return {
        "job": job,
        "counts": counts,
        "finished": counts.wanted - counts.waiting,
        "failed": [(reasons.FAILED.get(code, code), count) for code, count in counts.failed.items()],
        "warnings": [(dataset_reasons.WARNINGS[code], count) for code, count in warnings.most_common()],
        "used": [
            (version, used[version.pk], describe_cost(version, used[version.pk]))
            for version in wanted.versions
            if version.pk in used
        ],
        "paused": reasons.PAUSED.get(job.result.get("paused", ""), ""),
        "why": reasons.FAILED.get(code) or reasons.MODEL.get(code) or "",
        "error": dataset_reasons.JOB.get(job.error, job.error),
    }


def describe_cost(version: ModelVersion, used: Used) -> str:
    """What answers cost, with the currency; "" without prices."""
    endpoint = version.endpoint
    if not endpoint.has_prices:
        return ""
    return f"{endpoint.compute_cost(used.tokens_in, used.tokens_out):.4f} {endpoint.currency}".strip()

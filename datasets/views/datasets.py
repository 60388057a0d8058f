"""The list of datasets, the pages of a dataset and its prompts, its settings and its deletion."""

import itertools

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from datasets import reasons
from datasets.audit.delete_dataset import delete_dataset
from datasets.comparisons import flags
from datasets.formats import get_writable_formats
from datasets.forms import DeleteForm, SettingsForm
from datasets.judgments import listing, progress
from datasets.models import Dataset, Judgment, Prompt, Response
from datasets.text.rendered import count_plain_texts, fill_prompt, list_plain_prompts, list_rendered_responses
from datasets.views.access import UserRequest, admin_required, dataset_admin_required
from datasets.views.paging import parse_after

DATASETS_A_PAGE = 20
LATEST_IMPORTS = 10
PROMPTS_A_PAGE = 20


@admin_required
@require_safe
def dataset_list(request: UserRequest) -> HttpResponse:
    """The datasets with their progress, one page at a time."""
    archived = "archived" in request.GET
    datasets = Dataset.objects.filter(state="archived") if archived else Dataset.objects.current()
    after = request.GET.get("after", "")
    if "\0" in after:
        raise BadRequest("after")
    page = list(datasets.filter(slug__gt=after).order_by("slug")[:DATASETS_A_PAGE])
    context = {
        "datasets": [(dataset, progress.count_progress(dataset)) for dataset in page],
        "archived": archived,
        "any_archived": Dataset.objects.filter(state="archived").exists(),
        "next": page[-1].slug if len(page) == DATASETS_A_PAGE else None,
    }
    return render(request, "datasets/list.html", context)


@dataset_admin_required
@require_safe
def dataset_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """A dataset: progress, latest imports, and its prompts, one page at a time."""
    prompts = (
        list_plain_prompts(dataset) if "plain" in request.GET else Prompt.objects.visible().filter(dataset=dataset)
    )
    page = list(prompts.filter(pk__gt=parse_after(request)).order_by("pk")[:PROMPTS_A_PAGE])
    responses = progress.annotate_counts(
        Response.objects.visible().filter(prompt__in=page).defer("html").order_by("prompt", "pk")
    )
    grouped = {pk: list(group) for pk, group in itertools.groupby(responses, key=lambda r: r.prompt_id)}
    context = {
        "dataset": dataset,
        "progress": progress.count_progress(dataset),
        "verdicts": [(listing.VERDICTS[kind][0], n) for kind, n in progress.count_verdicts(dataset).items()],
        "flags": flags.count_held(dataset),
        "sources": progress.count_by_source(dataset),
        "imports": dataset.imports.select_related("created_by").order_by("-pk")[:LATEST_IMPORTS],
        "all_imports": dataset.imports.count() > LATEST_IMPORTS,
        "prompt_count": prompts.count(),
        "plain": [(n, reasons.PLAIN[why]) for why, n in count_plain_texts(dataset).items()],
        "only_plain": "plain" in request.GET,
        "prompts": [(prompt, grouped.get(prompt.pk, [])) for prompt in page],
        "next": page[-1].pk if len(page) == PROMPTS_A_PAGE else None,
    }
    return render(request, "datasets/dataset.html", context)


@dataset_admin_required
def dataset_settings(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The settings form."""
    form = SettingsForm(request.POST or None, instance=dataset)
    if request.method == "POST" and form.is_valid():
        form.save(by=request.user)
        messages.success(request, _("Saved."))
        return redirect("dataset", dataset.slug)
    status = 422 if form.errors else 200
    return render(request, "datasets/settings.html", {"dataset": dataset, "form": form}, status=status)


@dataset_admin_required
def dataset_delete(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Deletes a dataset once its short name is typed; offers an export first."""
    form = DeleteForm(dataset, request.POST or None)
    if request.method == "POST" and form.is_valid():
        delete_dataset(dataset, request.user)
        messages.success(request, _("%(name)s was deleted.") % {"name": dataset})
        return redirect("datasets")
    context = {
        "dataset": dataset,
        "form": form,
        "votes": Judgment.objects.votes().filter(dataset=dataset).count(),
        "formats": {name: module.LABEL for name, module in get_writable_formats().items()},
    }
    return render(request, "datasets/delete.html", context, status=422 if form.errors else 200)


@dataset_admin_required
@require_safe
def prompt_page(request: UserRequest, dataset: Dataset, pk: int) -> HttpResponse:
    """A prompt with its responses."""
    prompt = get_object_or_404(Prompt.objects.visible(), dataset=dataset, pk=pk)
    responses = list(progress.annotate_counts(Response.objects.visible().filter(prompt=prompt)).order_by("pk"))
    rendered_responses = list_rendered_responses([response.pk for response in responses])
    context = {
        "dataset": dataset,
        "pk": prompt.pk,
        "prompt": fill_prompt(prompt).html,
        "tags": prompt.tags,
        "responses": [
            (response, html.html, reasons.PLAIN.get(html.plain or ""))
            for response, html in zip(responses, rendered_responses, strict=True)
        ],
        "prompt_plain": reasons.PLAIN.get(prompt.plain or ""),
        "comparisons": prompt.comparisons.filter(held="").count(),
        "votes": Judgment.objects.votes().filter(comparison__prompt=prompt).count(),
    }
    return render(request, "datasets/prompt.html", context)

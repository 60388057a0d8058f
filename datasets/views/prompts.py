"""Prompts and responses written by hand."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from datasets import reasons
from datasets.models import Dataset, Prompt
from datasets.prompts.editing import CannotSave, list_judged_ids, save_prompt
from datasets.prompts.forms import build_forms, build_prompt
from datasets.text.rendered import render as render_text
from datasets.views.access import UserRequest, admin_required, dataset_admin_required
from datasets.views.moved import posted_from


@dataset_admin_required
def prompt_new(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The form for a new prompt."""
    return edit(request, dataset, None)


@dataset_admin_required
def prompt_edit(request: UserRequest, dataset: Dataset, pk: int) -> HttpResponse:
    """The form of an existing prompt."""
    return edit(request, dataset, get_object_or_404(Prompt.objects.visible(), dataset=dataset, pk=pk))


def edit(request: UserRequest, dataset: Dataset, prompt: Prompt | None) -> HttpResponse:
    """The form of a prompt with its responses; judged responses are shown but cannot be changed."""
    form, turns, answers = build_forms(prompt, request.POST or None)
    if request.method == "POST" and all([form.is_valid(), turns.is_valid(), answers.is_valid()]):
        try:
            saved = save_prompt(
                dataset, build_prompt(form, turns), [a.build_answer() for a in answers if a.cleaned_data], prompt
            )
        except CannotSave as why:
            form.add_error(None, reasons.CANNOT_SAVE[why.reason])
        else:
            messages.success(request, _("Saved."))
            page = "prompt-edit" if "more" in request.POST else "prompt"
            return redirect(page, dataset.slug, saved.pk)
    context = {
        "dataset": dataset,
        "prompt": prompt,
        "form": form,
        "turns": turns,
        "answers": answers,
        "judged": list_judged_ids(prompt) if prompt else set(),
    }
    return render(request, "datasets/edit.html", context, status=422 if form.errors else 200)


@admin_required
@posted_from("datasets")
def rendered(request: UserRequest) -> HttpResponse:
    """The text of the field that is being edited, as safe HTML."""
    text = request.POST.get(request.POST.get("name", "text"), "")
    return HttpResponse(render_text(text.replace("\x00", "")))

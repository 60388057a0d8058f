"""The question settings of a dataset, with a preview of the comparison page."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from annotate.question_forms import READY_CRITERIA, QuestionForm, add_ready_criterion
from annotate.question_preview import build_preview_context
from annotate.task_setup import InvalidTask, apply_template, copy_task
from annotate.task_templates import UnknownTemplate, list_templates
from datasets.audit.dataset_state import mark_done
from datasets.models import Dataset
from datasets.views.access import UserRequest, dataset_admin_required


@dataset_admin_required
def question_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The question settings. POST saves them."""
    form = QuestionForm(request.POST or None, instance=dataset)
    if request.method == "POST" and form.is_valid():
        form.save(by=request.user)
        mark_done(dataset, "task")
        messages.success(request, _("Saved."))
        return redirect("question", dataset.slug)
    return show(request, form)


@dataset_admin_required
def question_preview(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """A preview of unsaved settings: only the preview for htmx, else the whole page as filled in."""
    if request.method != "POST":  # a POST after signing out returns from the sign-in as a GET
        return redirect("question", dataset.slug)
    data = request.POST.copy()
    added = request.POST.get("add", "")
    if added in READY_CRITERIA:
        data["criteria"] = add_ready_criterion(request.POST.get("criteria", ""), added)
    return show(request, QuestionForm(data, instance=dataset), "_preview" if request.htmx else "question")


@dataset_admin_required
def set_up_task(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Takes the task over from a template or from another dataset. POST `template` or `source`."""
    if request.method != "POST":
        return redirect("question", dataset.slug)
    try:
        if source := request.POST.get("source"):
            copy_task(get_object_or_404(Dataset, slug=source), dataset, request.user)
        else:
            apply_template(dataset, request.POST.get("template", ""), request.LANGUAGE_CODE, request.user)
    except UnknownTemplate:
        raise Http404 from None
    except InvalidTask as why:
        messages.error(request, str(why))
    else:
        mark_done(dataset, "task")
        messages.success(request, _("Question, criteria, reasons and guidelines are set. Change what you like."))
    return redirect("question", dataset.slug)


def show(request: UserRequest, form: QuestionForm, template: str = "question") -> HttpResponse:
    """The form with its preview, or with its errors if it is invalid."""
    wrong = form.is_bound and not form.is_valid()
    context = {
        "dataset": form.instance,
        "form": form,
        "is_new": form.instance.state == Dataset.State.DRAFT and "task" not in form.instance.setup_done,
        "wrong": wrong,
        "templates": list_templates(),
        "sources": Dataset.objects.current().exclude(pk=form.instance.pk),
        "ready": [(name, label, add_ready_criterion("", name)) for name, (label, _guideline) in READY_CRITERIA.items()],
    }
    if not wrong:
        context |= build_preview_context(form.instance)
    return render(request, f"annotate/{template}.html", context, status=422 if wrong and not request.htmx else 200)

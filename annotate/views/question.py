"""The question settings of a dataset, with a preview of the comparison page."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from annotate.question_forms import READY_CRITERIA, QuestionForm, add_ready_criterion
from annotate.question_preview import build_preview_context
from datasets.models import Dataset
from datasets.views.access import UserRequest, dataset_admin_required


@dataset_admin_required
def question_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The question settings. POST saves them."""
    form = QuestionForm(request.POST or None, instance=dataset)
    if request.method == "POST" and form.is_valid():
        form.save(by=request.user)
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


def show(request: UserRequest, form: QuestionForm, template: str = "question") -> HttpResponse:
    """The form with its preview, or with its errors if it is invalid."""
    wrong = form.is_bound and not form.is_valid()
    context = {
        "dataset": form.instance,
        "form": form,
        "wrong": wrong,
        "ready": [(name, label, add_ready_criterion("", name)) for name, (label, _guideline) in READY_CRITERIA.items()],
    }
    if not wrong:
        context |= build_preview_context(form.instance)
    return render(request, f"annotate/{template}.html", context, status=422 if wrong and not request.htmx else 200)

"""Choosing the question of a dataset, with the comparison page as annotators would see it."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from annotate.question_forms import READY_CRITERIA, QuestionForm, add_ready_criterion
from annotate.question_preview import build_preview_context
from datasets.views.access import dataset_admin_required


@dataset_admin_required
def question_page(request, dataset):
    form = QuestionForm(request.POST or None, instance=dataset)
    if request.method == "POST" and form.is_valid():
        form.save(by=request.user)
        messages.success(request, _("Saved."))
        return redirect("question", dataset.slug)
    return show(request, form)


@dataset_admin_required
def question_preview(request, dataset):
    """What annotators would see; nothing is saved. With htmx the preview alone, else the page as it was filled in."""
    if request.method != "POST":  # who pressed it after signing out comes here from the sign-in
        return redirect("question", dataset.slug)
    data = request.POST.copy()
    if data.get("add") in READY_CRITERIA:
        data["criteria"] = add_ready_criterion(data.get("criteria", ""), data["add"])
    return show(request, QuestionForm(data, instance=dataset), "_preview" if request.htmx else "question")


def show(request, form, template="question"):
    """The form with its preview; of one that cannot be saved, what is wrong with it."""
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

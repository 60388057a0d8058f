"""The settings of a dataset: its name and state, its queue, its annotators, its deletion."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from datasets.audit.dataset_state import mark_done, set_state
from datasets.audit.delete_dataset import delete_dataset
from datasets.formats import get_writable_formats
from datasets.forms import DeleteForm, GeneralForm, QueueForm
from datasets.models import Dataset, Judgment
from datasets.views.access import UserRequest, dataset_admin_required


@dataset_admin_required
def dataset_settings(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The name, hourly rate and state of a dataset, and the way to its deletion."""
    form = GeneralForm(request.POST or None, instance=dataset)
    if request.method == "POST" and form.is_valid():
        form.save(by=request.user)
        messages.success(request, _("Saved."))
        return redirect("dataset-settings", dataset.slug)
    context = {"dataset": dataset, "form": form, "states": list_other_states(dataset)}
    return render(request, "datasets/settings.html", context, status=422 if form.errors else 200)


def list_other_states(dataset: Dataset) -> list[Dataset.State]:
    """The states into which an admin may bring a dataset: all but the present one, and never back to a draft."""
    return [state for state in Dataset.State if state not in (dataset.state, Dataset.State.DRAFT)]


@dataset_admin_required
def queue_settings(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """What is compared, how often, and in which order."""
    form = QueueForm(request.POST or None, instance=dataset)
    if request.method == "POST" and form.is_valid():
        form.save(by=request.user)
        mark_done(dataset, "task")
        messages.success(request, _("Saved."))
        return redirect("queue", dataset.slug)
    context = {"dataset": dataset, "form": form}
    return render(request, "datasets/queue.html", context, status=422 if form.errors else 200)


@dataset_admin_required
def dataset_state(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Opens, pauses, closes or archives a dataset. POST `state`."""
    state = request.POST.get("state", "")
    if state in Dataset.State.values and state != Dataset.State.DRAFT:
        set_state(dataset, Dataset.State(state), request.user)
    return redirect("dataset", dataset.slug)


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

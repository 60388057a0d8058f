"""The settings of a dataset's chat."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from datasets.models import Dataset
from datasets.views.access import UserRequest, dataset_admin_required
from optimize.chat.talks import find_settings
from optimize.forms import ChatSettingsForm
from optimize.models import Chat, ChatSettings


@dataset_admin_required
def settings_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Who answers in the dataset's chat, and how. POST saves it."""
    stored = ChatSettings.objects.filter(dataset=dataset).first() or ChatSettings(dataset=dataset)
    form = ChatSettingsForm(request.POST or None, instance=stored)
    if request.method == "POST" and form.is_valid():
        form.save_by(request.user)
        messages.success(request, _("Chat settings saved."))
        return redirect("chat-settings", dataset.slug)
    context = {
        "dataset": dataset,
        "form": form,
        "is_on": find_settings(dataset) is not None,
        "chats": Chat.objects.filter(dataset=dataset).count(),
    }
    return render(request, "optimize/chat_settings.html", context, status=422 if form.errors else 200)

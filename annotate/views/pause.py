"""Pauses and resumes a person in one dataset, from the pages that list its people."""

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from annotate.models import User
from annotate.pauses import pause, resume
from datasets.models import Dataset
from datasets.views.access import UserRequest, dataset_admin_required


class PauseForm(forms.Form):
    """A button beside a person. back: the page that shows it."""

    person = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    act = forms.ChoiceField(choices=[("pause", "pause"), ("resume", "resume")])
    back = forms.ChoiceField(choices=[("annotators", "annotators"), ("record", "record"), ("dataset", "dataset")])


@dataset_admin_required
def pause_person(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Pauses or resumes the person of the form."""
    if request.method != "POST":  # a POST after signing out returns from the sign-in as a GET
        return redirect("annotators", dataset.slug)
    form = PauseForm(request.POST)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    person = get_object_or_404(User, pk=form.cleaned_data["person"])
    if form.cleaned_data["act"] == "pause":
        pause(person, dataset, request.user)
        message = _("%(name)s is paused on this dataset; their items are released.")
    else:
        resume(person, dataset, request.user)
        message = _("%(name)s is resumed on this dataset.")
    messages.success(request, message % {"name": person.username})
    page = reverse(form.cleaned_data["back"], args=[dataset.slug])
    query = urlencode({"person": f"account:{person.username}"})
    return redirect(f"{page}?{query}" if form.cleaned_data["back"] == "record" else page)

"""An admin's decisions about comparisons in the inbox, which analyze/views/review.py shows."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from datasets.comparisons import flags
from datasets.models import Comparison, Dataset
from datasets.views.access import UserRequest, dataset_admin_required
from datasets.views.moved import posted_from

MAX_SET_ASIDE = 1000  # judgments set aside in one request
DECISION_MESSAGES = {
    flags.PUT_BACK: gettext_lazy("Returned to the queue."),
    flags.LEAVE_OUT: gettext_lazy("Excluded; it is no longer handed out."),
    flags.LEAVE_OUT_PROMPT: gettext_lazy("Excluded with its prompt; none of its comparisons is handed out."),
}


class DecisionForm(forms.Form):
    """The buttons beside a comparison. held: why it was held when the page was rendered."""

    comparison = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    held = forms.ChoiceField(choices=[(held, held) for held in flags.DECISIONS], required=False)
    decision = forms.ChoiceField(choices=[(decision, decision) for decision in DECISION_MESSAGES])

    def clean(self) -> dict[str, Any]:
        super().clean()
        data = self.cleaned_data
        if data.get("decision") not in flags.DECISIONS.get(data.get("held", ""), ()):
            raise forms.ValidationError("decision")
        return data


@dataset_admin_required
@posted_from("judgments", "slug")
def set_aside(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Flags the comparisons of the selected judgments."""
    ids = [int(pk) for pk in request.POST.getlist("judgment")[:MAX_SET_ASIDE] if pk.isdecimal() and len(pk) < 19]
    n = flags.set_aside(dataset, ids, request.user)
    message = ngettext("%(n)s comparison awaits a decision.", "%(n)s comparisons await a decision.", n)
    messages.success(request, message % {"n": intcomma(n)})
    return redirect("flags", dataset.slug)


def decide(request: UserRequest, dataset: Dataset) -> None:
    """Carries out the decision of a form, and tells what came of it. Raises BadRequest for an invalid form."""
    form = DecisionForm(request.POST)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    data = form.cleaned_data
    comparison = get_object_or_404(Comparison, dataset=dataset, pk=data["comparison"])
    if flags.decide(comparison.pk, data["held"], data["decision"], request.user):
        messages.success(request, DECISION_MESSAGES[data["decision"]])
    else:
        messages.info(request, _("This was decided already; nothing has changed."))

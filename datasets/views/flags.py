"""Flagged comparisons: the list, and an admin's decisions about them."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from datasets.comparisons import flags
from datasets.models import Comparison, Dataset
from datasets.views.access import UserRequest, dataset_admin_required
from datasets.views.paging import parse_after

FLAGGED_A_PAGE = 10
LEFT_OUT_A_PAGE = 25
MAX_SET_ASIDE = 1000  # judgments set aside in one request
DECISION_MESSAGES = {
    flags.PUT_BACK: gettext_lazy("Put back: people are asked it again."),
    flags.LEAVE_OUT: gettext_lazy("Left out: nobody is asked it any more."),
    flags.LEAVE_OUT_PROMPT: gettext_lazy("Left out with its prompt: nobody is asked it any more."),
}


class DecisionForm(forms.Form):
    """The buttons beside a comparison. held: why it was held when the page was rendered."""

    comparison = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    held = forms.ChoiceField(choices=[(held, held) for held in flags.DECISIONS])
    decision = forms.ChoiceField(choices=[(decision, decision) for decision in DECISION_MESSAGES])

    def clean(self) -> dict[str, Any]:
        super().clean()
        data = self.cleaned_data
        if data.get("decision") not in flags.DECISIONS.get(data.get("held", ""), ()):
            raise forms.ValidationError("decision")
        return data


@dataset_admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def flag_list(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The flagged comparisons with buttons to decide about them, and those that were left out."""
    if request.method == "POST":
        decide(request, dataset)
        return redirect(request.get_full_path())
    flagged, more = list_page(dataset, flags.FLAGGED, parse_after(request), FLAGGED_A_PAGE)
    left_out, more_left_out = list_page(dataset, flags.WITHDRAWN, parse_after(request, "left_out"), LEFT_OUT_A_PAGE)
    context = {
        "dataset": dataset,
        "flags": flags.count_held(dataset),
        "flagged": flags.render_comparisons(flagged),
        "more": more,
        "left_out": left_out,
        "more_left_out": more_left_out,
    }
    return render(request, "datasets/flags.html", context)


@dataset_admin_required
@require_POST
def set_aside(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Flags the comparisons of the selected judgments."""
    ids = [int(pk) for pk in request.POST.getlist("judgment")[:MAX_SET_ASIDE] if pk.isdecimal() and len(pk) < 19]
    n = flags.set_aside(dataset, ids, request.user)
    message = ngettext("%(n)s comparison waits for a decision now.", "%(n)s comparisons wait for a decision now.", n)
    messages.success(request, message % {"n": n})
    return redirect("flags", dataset.slug)


def list_page(dataset: Dataset, held: str, after: int, size: int) -> tuple[list[flags.HeldComparison], int | None]:
    """A page of held comparisons, and the key after which the next page starts, if there is one."""
    comparisons = flags.list_held(dataset, held, after, size + 1)
    return comparisons[:size], comparisons[size - 1].comparison.pk if len(comparisons) > size else None


def decide(request: UserRequest, dataset: Dataset) -> None:
    form = DecisionForm(request.POST)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    data = form.cleaned_data
    comparison = get_object_or_404(Comparison, dataset=dataset, pk=data["comparison"])
    if flags.decide(comparison.pk, data["held"], data["decision"], request.user):
        messages.success(request, DECISION_MESSAGES[data["decision"]])
    else:
        messages.info(request, _("This was decided already; nothing has changed."))

"""The inbox of a dataset: what waits for a decision, what the report suggests, and what was left out."""

from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from analyze.inbox import LABELS, Inbox
from datasets.comparisons import flags
from datasets.models import Dataset
from datasets.views.access import UserRequest, dataset_admin_required
from datasets.views.flags import decide
from datasets.views.paging import parse_after

PAGE_SIZE = 10
LEFT_OUT_A_PAGE = 25
ALL = gettext_lazy("All")


@dataset_admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def inbox_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The comparisons in the inbox, each with why it is there and its buttons, and those that were left out."""
    if request.method == "POST":
        decide(request, dataset)
        return redirect(request.get_full_path())
    kind, inbox = request.GET.get("kind", ""), Inbox(dataset)
    if kind and kind not in LABELS:
        raise BadRequest("kind")
    try:
        items, more = inbox.list_page(kind, request.GET.get("after", ""), PAGE_SIZE)
    except (ValueError, OverflowError):
        raise BadRequest("after") from None
    left_out = flags.list_held(dataset, flags.WITHDRAWN, parse_after(request, "left_out"), LEFT_OUT_A_PAGE + 1)
    counts = inbox.count()
    context = {
        "dataset": dataset,
        "kind": kind,
        "kinds": [(key, label, counts[key]) for key, label in [("", ALL), *LABELS.items()]],
        "items": items,
        "more": more,
        "is_first": "after" not in request.GET,
        "left_out": left_out[:LEFT_OUT_A_PAGE],
        "more_left_out": left_out[LEFT_OUT_A_PAGE - 1].comparison.pk if len(left_out) > LEFT_OUT_A_PAGE else None,
    }
    return render(request, "analyze/review.html", context)

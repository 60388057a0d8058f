"""Where the browser puts what is filled in before it is sent."""

from django.http import HttpResponse
from django.views.decorators.cache import never_cache

from annotate.judging.drafts import keep_draft
from annotate.judging.forms import DraftForm
from datasets.db.turns import in_turn
from datasets.models import Dataset
from datasets.views.access import UserRequest, annotator_required
from datasets.views.moved import posted_from


@in_turn
@annotator_required
@never_cache
@posted_from("annotate", "slug")
def draft(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Keeps a draft. 409 if the person does not hold the judgment, 422 for a form that is damaged or too long."""
    form = DraftForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=422)
    values = form.cleaned_data
    kept = keep_draft(request.user, dataset, values["judgment"], values["revision"], form.entries, values["at"])
    return HttpResponse(status=204 if kept else 409)

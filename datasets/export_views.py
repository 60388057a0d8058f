"""Files out: choose what goes in, look at the account, download."""

import itertools

from django.core.exceptions import BadRequest
from django.http import Http404, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from datasets import reasons
from datasets.access import dataset_admin_required
from datasets.exports import Export
from datasets.filters import FilterForm
from datasets.formats import writable
from datasets.models import Judgment

PREVIEWED = 3


@dataset_admin_required
@require_GET
def export_page(request, dataset):
    """Choose what goes in; with a format chosen: the account and the first rows, before anything is downloaded."""
    data = request.GET or None
    form = FilterForm(dataset, data)
    name = request.GET.get("format", "dpo")
    context = {
        "dataset": dataset,
        "form": form,
        "formats": {name: module.LABEL for name, module in writable().items()},
        "name": name,
        "hidden": [] if len(list(form.fields["criterion"].choices)) > 1 else ["criterion"],
        "names": annotators_of(dataset),
    }
    if data and name in writable() and form.is_valid():
        export = Export(dataset, name, form.filters())
        lines = export.lines()
        context["preview"] = [line.decode() for line in itertools.islice(lines, PREVIEWED)]
        for _line in lines:
            pass
        account = export.account()
        left_out = [(reasons.LEFT_OUT[reason], count) for reason, count in account["left_out"].items()]
        query = request.GET.copy()
        query.pop("format", None)
        url = f"{reverse('export', args=[dataset.slug, name])}?{query.urlencode()}"
        context |= {"account": account, "left_out": left_out, "url": url}
    return render(request, "datasets/export.html", context)


def annotators_of(dataset):
    """The names under which this dataset's votes are exported."""
    votes = Judgment.objects.votes().filter(dataset=dataset)
    named = votes.exclude(annotator=None).values_list("annotator__username", flat=True)
    imported = votes.exclude(imported_by="").values_list("imported_by", flat=True)
    return sorted({*named.order_by().distinct()[:500], *imported.order_by().distinct()[:500]})


@dataset_admin_required
@require_GET
def export_file(request, dataset, name):
    if name not in writable():
        raise Http404(_("There is no such format."))
    form = FilterForm(dataset, request.GET)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    lines = Export(dataset, name, form.filters()).lines()
    response = StreamingHttpResponse(lines, content_type="application/jsonl; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{dataset.slug}-{name}.jsonl"'
    return response

import itertools
import json

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from datasets import asking, imports, progress, reasons
from datasets.access import admin_required, dataset_admin_required
from datasets.exports import Export
from datasets.files import FileProblem
from datasets.filters import FilterForm
from datasets.formats import writable
from datasets.forms import SettingsForm, UploadForm
from datasets.models import Dataset, Import, Judgment, Prompt, Response
from datasets.rendering import shown_prompt, shown_responses
from datasets.spool import Spool

PROMPTS_A_PAGE = 20
REFUSALS_A_PAGE = 100
PREVIEWED = 3


@admin_required
@require_GET
def dataset_list(request):
    shown = [(dataset, progress.progress(dataset)) for dataset in Dataset.objects.all()]
    return render(request, "datasets/list.html", {"datasets": shown})


@admin_required
def upload(request):
    form = UploadForm(request.POST or None, request.FILES or None, initial={"slug": request.GET.get("dataset", "")})
    if request.method == "POST" and form.is_valid():
        files = [(file.name, file) for file in form.cleaned_data["files"]]
        try:
            run = imports.check(files, form.cleaned_data["slug"])
        except FileProblem as problem:
            form.add_error("files", in_words(problem))
        else:
            Import.objects.filter(pk=run.pk).update(created_by=request.user, overlap=form.cleaned_data["overlap"])
            return redirect("import", run.pk) if run.refused else store(request, run.pk)
    status = 422 if form.errors else 200
    slugs = Dataset.objects.values_list("slug", flat=True)
    return render(request, "datasets/upload.html", {"form": form, "slugs": slugs}, status=status)


def in_words(problem):
    """What is wrong with a file, for the person who chose it."""
    place = _("%(file)s, line %(line)s") if problem.line else "%(file)s"
    detail = f" ({problem.detail})" if problem.detail else ""
    return f"{place % {'file': problem.file, 'line': problem.line}}: {reasons.FILE[problem.code]}{detail}"


def store(request, pk):
    """Store what was checked and show the dataset."""
    run = Import.objects.get(pk=pk)
    imports.store(run, run.overlap)
    said = ngettext("%(n)s row read", "%(n)s rows read", run.rows) % {"n": run.rows}
    counts = _("%(prompts)s new prompts, %(responses)s answers, %(choices)s choices, %(duplicates)s duplicates.")
    messages.success(request, f"{said}: {counts % vars(run)}")
    return redirect("dataset", run.slug)


@admin_required
def import_page(request, pk):
    """The refused rows of an import; while nothing is stored yet, the decision."""
    run = get_object_or_404(Import, pk=pk)
    if request.method == "POST" and run.state == Import.State.CHECKED:
        if request.POST.get("decision") == "store":
            return store(request, pk)
        imports.drop(run)
        messages.info(request, _("Nothing was stored."))
        return redirect("upload")
    return render(request, "datasets/import.html", {"run": run, **refusals_page(run, request)})


def refusals_page(run, request):
    """One page of refusals, by key."""
    path = imports.spool_path(run)
    if not path.exists():
        return {"refusals": []}
    spool = Spool(path)
    refusals = list(spool.refusals(after_of(request), REFUSALS_A_PAGE))
    spool.close()
    for refusal in refusals:
        refusal["words"] = reasons.REFUSED[refusal["reason"]]
        refusal["shown"] = json.dumps(refusal["row"], ensure_ascii=True)[:300]
    return {"refusals": refusals, "next": refusals[-1]["n"] if len(refusals) == REFUSALS_A_PAGE else None}


def after_of(request):
    """The key after which a list goes on."""
    after = request.GET.get("after", "0")
    if not after.isdecimal() or len(after) > 18:
        raise BadRequest("after")
    return int(after)


@dataset_admin_required
@require_GET
def dataset_page(request, dataset):
    prompts = Prompt.objects.visible().filter(dataset=dataset)
    page = list(prompts.filter(pk__gt=after_of(request)).order_by("pk")[:PROMPTS_A_PAGE])
    responses = Response.objects.visible().filter(prompt__in=page).with_counts().defer("html").order_by("prompt", "pk")
    grouped = {pk: list(found) for pk, found in itertools.groupby(responses, key=lambda r: r.prompt_id)}
    context = {
        "dataset": dataset,
        "progress": progress.progress(dataset),
        "verdicts": progress.verdicts(dataset),
        "sources": progress.sources(dataset),
        "imports": dataset.imports.select_related("created_by").order_by("-pk")[:10],
        "prompt_count": prompts.count(),
        "prompts": [(prompt, grouped.get(prompt.pk, [])) for prompt in page],
        "next": page[-1].pk if len(page) == PROMPTS_A_PAGE else None,
        "formats": {name: module.LABEL for name, module in writable().items()},
    }
    return render(request, "datasets/dataset.html", context)


@dataset_admin_required
def dataset_settings(request, dataset):
    overlap = dataset.overlap
    form = SettingsForm(request.POST or None, instance=dataset)
    if request.method == "POST" and form.is_valid():
        form.save()
        if dataset.overlap != overlap:
            asking.set_overlap(dataset, dataset.overlap)
        asking.ask_anew(dataset)
        messages.success(request, _("Saved."))
        return redirect("dataset", dataset.slug)
    status = 422 if form.errors else 200
    return render(request, "datasets/settings.html", {"dataset": dataset, "form": form}, status=status)


@dataset_admin_required
@require_GET
def prompt_page(request, dataset, pk):
    prompt = get_object_or_404(Prompt.objects.visible(), dataset=dataset, pk=pk)
    responses = list(Response.objects.visible().filter(prompt=prompt).with_counts().order_by("pk"))
    shown = shown_responses([response.pk for response in responses])
    context = {
        "dataset": dataset,
        "prompt": shown_prompt(prompt).html,
        "responses": [(response, html.html) for response, html in zip(responses, shown, strict=True)],
        "comparisons": prompt.comparisons.with_state().count(),
        "votes": Judgment.objects.votes().filter(comparison__prompt=prompt).count(),
    }
    return render(request, "datasets/prompt.html", context)


@dataset_admin_required
@require_GET
def export_page(request, dataset):
    """Choose what goes in; with a format chosen: the account and the first rows, before anything is downloaded."""
    data = request.GET or None
    form = FilterForm(data)
    name = request.GET.get("format", "dpo")
    context = {
        "dataset": dataset,
        "form": form,
        "formats": {name: module.LABEL for name, module in writable().items()},
        "name": name,
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
    form = FilterForm(request.GET)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    lines = Export(dataset, name, form.filters()).lines()
    response = StreamingHttpResponse(lines, content_type="application/jsonl; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{dataset.slug}-{name}.jsonl"'
    return response

"""The endpoints under /api/v1/. Each says first which scope it asks for."""

import functools
import os
import re
import uuid

from django.http import Http404, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI, Status

from api import problems
from api.dataset_settings import collect_settings, create_dataset
from api.openapi import ARCHIVE, BUNDLE, EXPORT, REFUSAL_RESPONSES, ROWS
from api.rows import body_file, read_first_refusals, receive
from api.schemas import (
    After,
    Background,
    BundleList,
    BundleOut,
    DatasetList,
    DatasetOut,
    FileName,
    Format,
    ImportOut,
    LeaveOut,
    NewDataset,
    Number,
    ProblemOut,
    RowsRefused,
    RowsStored,
    Slug,
    TaskOut,
)
from api.tasks import start_rows
from api.tokens import READS, WRITES, token_required
from datasets import reasons
from datasets.bundles.archive import make_bundle
from datasets.bundles.forms import BundleForm
from datasets.bundles.tasks import is_small, start_bundle
from datasets.comparisons import flags
from datasets.exports.export import Export
from datasets.exports.forms import FileForm, FilterForm
from datasets.formats import get_writable_formats
from datasets.imports.summary import COUNTS as IMPORT_COUNTS
from datasets.jobs import worker
from datasets.jobs.limits import BYTES_AT_ONCE
from datasets.judgments import progress
from datasets.models import Dataset, Job, Prompt, Snapshot
from datasets.views.access import anyone
from datasets.views.downloads import stream_export
from datasets.views.exports import stream_archive

PAGE_SIZE = 50
ROOT = "/api/v1/"

api = NinjaAPI(title="Chosen", version="1", docs_url=None, openapi_url=None, description="docs/api.md has examples.")
problems.add_handlers(api)


def known_parameters_required(view):
    """A name in the query that there is not is refused: a misspelt filter must not give the whole file."""

    @functools.wraps(view)
    def wrapper(request, *args, **kwargs):
        path = re.sub(r"<\w+:(\w+)>", r"{\1}", request.resolver_match.route)
        operation = build_document()["paths"][f"/{path}"]["get" if request.method == "HEAD" else request.method.lower()]
        known = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
        if unknown := sorted(set(request.GET) - known):
            words = _("There is no such parameter.")
            raise problems.Problem(422, words, [problems.build_error("unknown", words, name) for name in unknown])
        return view(request, *args, **kwargs)

    return wrapper


api.add_decorator(known_parameters_required)


@api.get("datasets/", auth=READS, response={200: DatasetList, **REFUSAL_RESPONSES}, url_name="api-datasets")
def list_datasets(request, after: After = ""):
    """Datasets with progress, by short name, fifty at a time."""
    page = list(Dataset.objects.filter(slug__gt=after).order_by("slug")[:PAGE_SIZE])
    return {
        "datasets": [build_dataset_line(dataset) for dataset in page],
        "next": page[-1].slug if len(page) == PAGE_SIZE else None,
    }


@api.post(
    "datasets/",
    auth=WRITES,
    response={201: DatasetOut, **REFUSAL_RESPONSES, 400: ProblemOut, 409: ProblemOut, 413: ProblemOut},
    url_name="api-datasets",
)
def new_dataset(request, body: NewDataset):
    """Make a dataset."""
    dataset = create_dataset(by=request.user, **body.model_dump(exclude_unset=True))
    return Status(201, build_dataset(dataset))


@api.get("datasets/{slug:slug}/", auth=READS, response={200: DatasetOut, **REFUSAL_RESPONSES}, url_name="api-dataset")
def show_dataset(request, slug: Slug):
    """A dataset: its settings, how far it is, and what was said."""
    return build_dataset(get_object_or_404(Dataset, slug=slug))


def build_dataset_line(dataset):
    return {
        "slug": dataset.slug,
        "name": dataset.name,
        "state": dataset.state,
        "progress": progress.count_progress(dataset),
    }


def build_dataset(dataset):
    return {
        **build_dataset_line(dataset),
        "prompts": Prompt.objects.visible().filter(dataset=dataset).count(),
        "verdicts": progress.count_verdicts(dataset),
        "flagged": flags.count_held(dataset).flagged,
        "sources": progress.count_by_source(dataset),
        "settings": collect_settings(dataset),
    }


@api.post(
    "datasets/{slug:slug}/rows/",
    auth=WRITES,
    response={
        200: RowsStored,
        202: TaskOut,
        **REFUSAL_RESPONSES,
        400: ProblemOut,
        415: ProblemOut,
        422: RowsRefused | ProblemOut,
        503: ProblemOut,
    },
    openapi_extra=ROWS,
    url_name="api-rows",
)
def send_rows(
    request,
    slug: Slug,
    format: Format = "auto",
    skip_bad_rows: bool = False,
    file: FileName = "rows",
    leave_out: LeaveOut = "",
    background: Background = None,
):
    """Store the rows of the body. Where one is refused, none is stored, unless `skip_bad_rows`."""
    dataset = get_object_or_404(Dataset, slug=slug)
    with body_file(request) as body:
        if is_background(background, os.fstat(body.fileno()).st_size > BYTES_AT_ONCE):
            arguments = {"format": format, "skip_bad_rows": skip_bad_rows, "file": file, "leave_out": leave_out}
            return Status(202, build_task(start_rows(body.name, dataset, request.user, **arguments)))
        return receive(body, dataset, request.user, format, skip_bad_rows, file, leave_out)


def is_background(background, is_long):
    """Whether something is done after the answer: as it is asked for, else by how long it takes."""
    return is_long if background is None else background


@api.get("tasks/{int:number}/", auth=READS, response={200: TaskOut, **REFUSAL_RESPONSES}, url_name="api-task")
def show_task(request, number: Number):
    """How far a task is, and what came of it."""
    job = get_object_or_404(Job, pk=number)
    if worker.is_abandoned(job):
        worker.wake()
    return build_task(job)


@api.post(
    "tasks/{int:number}/cancel/", auth=WRITES, response={200: TaskOut, **REFUSAL_RESPONSES}, url_name="api-task-cancel"
)
def cancel_task(request, number: Number):
    """Stop a task. One at work stops within a second or so, and leaves nothing; one that has ended stays as it is."""
    job = get_object_or_404(Job, pk=number)
    worker.cancel(job)
    job.refresh_from_db()
    return build_task(job)


def build_task(job):
    """The TaskOut of a Job."""
    return {
        "number": job.pk,
        "address": f"{ROOT}tasks/{job.pk}/",
        "kind": job.kind,
        "state": job.state,
        "dataset": job.dataset and job.dataset.slug,
        "done": job.done,
        "total": job.total,
        "seconds_left": job.seconds_left,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "result": job.result,
        "error": str(reasons.JOB.get(job.error, job.error)),
    }


@api.get(
    "datasets/{slug:slug}/imports/{int:number}/",
    auth=READS,
    response={200: ImportOut, **REFUSAL_RESPONSES},
    url_name="api-import",
)
def show_import(request, slug: Slug, number: Number):
    """An import, whoever made it."""
    run = get_object_or_404(get_object_or_404(Dataset, slug=slug).imports, pk=number)
    counts = {name: getattr(run, name) for name in IMPORT_COUNTS}
    return {
        "number": run.pk,
        "dataset": slug,
        "state": run.state,
        "files": run.files,
        "created_at": run.created_at,
        "format": run.format,
        **counts,
        "errors": read_first_refusals(run),
    }


@api.get(
    "datasets/{slug:slug}/export/{slug:name}/",
    auth=READS,
    response={200: None, **REFUSAL_RESPONSES},
    openapi_extra=EXPORT,
    url_name="api-export",
)
def export_file(request, slug: Slug, name: str):
    """A file for a trainer, streamed, with the filters of the pages."""
    dataset = get_object_or_404(Dataset, slug=slug)
    if name not in get_writable_formats():
        raise Http404
    file = FileForm(request.GET)
    if not file.is_valid():
        raise problems.build_form_problem(file)
    export = Export(dataset, name, parse_filters(request, dataset), **file.get_options())
    response = stream_export(export)
    response["ETag"] = f'"{uuid.uuid4().hex}"'  # loaders keep what they have seen under it, and the next may be another
    response["Accept-Ranges"] = "none"
    return response


@api.api_operation(
    ["HEAD"], "datasets/{slug:slug}/export/{slug:name}/", auth=READS, include_in_schema=False, url_name="api-export"
)
def export_head(request, slug: Slug, name: str):
    """What a loader asks for first. Nothing is counted, so no length is said."""
    response = export_file(request, slug, name)
    response.streaming_content = []
    return response


def parse_filters(request, dataset):
    form = FilterForm(dataset, request.GET)
    if not form.is_valid():
        raise problems.build_form_problem(form)
    return form.build_filters()


@api.get(
    "datasets/{slug:slug}/bundles/", auth=READS, response={200: BundleList, **REFUSAL_RESPONSES}, url_name="api-bundles"
)
def list_bundles(request, slug: Slug):
    """The bundles that are kept."""
    dataset = get_object_or_404(Dataset, slug=slug)
    return {"bundles": list(dataset.snapshots.filter(is_whole=True).defer("manifest")[:PAGE_SIZE])}


@api.post(
    "datasets/{slug:slug}/bundles/",
    auth=WRITES,
    response={201: BundleOut, 202: TaskOut, **REFUSAL_RESPONSES},
    openapi_extra=BUNDLE,
    url_name="api-bundles",
)
def new_bundle(request, slug: Slug, background: Background = None):
    """Make a bundle of what the query says, and keep it."""
    dataset, bundle = get_object_or_404(Dataset, slug=slug), BundleForm(request.GET)
    if not bundle.is_valid():
        raise problems.build_form_problem(bundle)
    filters = parse_filters(request, dataset)
    if is_background(background, not is_small(dataset)):
        query = {name: values for name, values in request.GET.lists() if name != "background"}
        return Status(202, build_task(start_bundle(dataset, request.user, query, at_once=False)))
    return Status(201, make_bundle(dataset, bundle.build_settings(filters), request.user.username))


@api.get(
    "datasets/{slug:slug}/bundles/{int:number}/",
    auth=READS,
    response={200: BundleOut, **REFUSAL_RESPONSES},
    url_name="api-bundle",
)
def show_bundle(request, slug: Slug, number: Number):
    """A bundle, with its manifest."""
    return find_snapshot(slug, number)


@api.get(
    "datasets/{slug:slug}/bundles/{int:number}/archive/",
    auth=READS,
    response={200: None, **REFUSAL_RESPONSES},
    openapi_extra=ARCHIVE,
    url_name="api-archive",
)
def bundle_archive(request, slug: Slug, number: Number):
    """The archive, byte for byte as it was made."""
    return stream_archive(find_snapshot(slug, number))


def find_snapshot(slug, number):
    return get_object_or_404(Snapshot, dataset__slug=slug, number=number, is_whole=True)


@functools.cache
def build_document():
    return api.get_openapi_schema(path_prefix=ROOT)


@anyone
@require_safe
def openapi(request):
    """The OpenAPI document. It says nothing of what is stored here, so it needs no token."""
    return JsonResponse(build_document())


@csrf_exempt
@anyone
def answer_not_found(request):
    """Whatever else is asked for under the API: a script gets JSON, as everywhere."""
    return problems.answer(
        request, problems.Problem(404, _("There is nothing at this address; each ends with a slash."))
    )


def iter_endpoints():
    """The endpoints' URLs, each with who may enter."""
    for pattern in api.urls[0]:
        if pattern.name != "api-root":  # Ninja's own, which shows nothing
            pattern.callback = token_required(answered_in_json(pattern.callback))
            yield pattern


def answered_in_json(view):
    """Ninja says in HTML that an address knows other methods."""

    @functools.wraps(view)
    def wrapper(request, *args, **kwargs):
        response = view(request, *args, **kwargs)
        if response.status_code != 405:
            return response
        refusal = problems.answer(request, problems.Problem(405, _("This address knows other methods.")))
        refusal["Allow"] = response["Allow"]
        return refusal

    return wrapper

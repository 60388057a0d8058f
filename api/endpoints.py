"""The endpoints under /api/v1/. `auth` is the scope that each requires."""

import functools
import os
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.http import Http404, HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import URLPattern
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI, Status

from api import problems
from api.answers import ROOT, build_dataset, build_dataset_line, build_task
from api.dataset_settings import create_dataset
from api.feedback import check_rate, read_body, receive_list, receive_one
from api.openapi import ARCHIVE, BUNDLE, EXPORT, FEEDBACK, REFUSAL_RESPONSES, ROWS
from api.rows import body_file, build_options, read_first_refusals, receive
from api.schemas import (
    After,
    Background,
    BundleList,
    BundleOut,
    DatasetList,
    DatasetOut,
    FeedbackOut,
    FileName,
    Format,
    Ignored,
    ImportOut,
    LeaveOut,
    Mask,
    NewDataset,
    Number,
    ProblemOut,
    RowsRefused,
    RowsStored,
    Slug,
    TaskOut,
    Turns,
)
from api.tasks import start_rows
from api.tokens import FEEDS, READS, WRITES, TokenRequest, token_required
from datasets.bundles.archive import make_bundle
from datasets.bundles.forms import BundleForm
from datasets.bundles.tasks import is_small, start_bundle
from datasets.exports.export import Export
from datasets.exports.forms import FileForm, FilterForm
from datasets.exports.selection import Filters
from datasets.formats import get_writable_formats
from datasets.imports.summary import COUNTS as IMPORT_COUNTS
from datasets.jobs import worker
from datasets.jobs.limits import BYTES_AT_ONCE
from datasets.models import Dataset, Job, Snapshot
from datasets.views.access import UserRequest, anyone
from datasets.views.downloads import stream_export
from datasets.views.exports import stream_archive

PAGE_SIZE = 50

P = ParamSpec("P")
R = TypeVar("R")

api = NinjaAPI(title="Chosen", version="1", docs_url=None, openapi_url=None, description="docs/api.md has examples.")
problems.add_handlers(api)


def known_parameters_required(
    view: Callable[Concatenate[HttpRequest, P], R],
) -> Callable[Concatenate[HttpRequest, P], R]:
    """Rejects unknown query parameters: a misspelt filter must not return the whole file."""

    @functools.wraps(view)
    def wrapper(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> R:
        assert request.resolver_match is not None
        assert request.method is not None
        path = re.sub(r"<\w+:(\w+)>", r"{\1}", request.resolver_match.route)
        operation = build_document()["paths"][f"/{path}"]["get" if request.method == "HEAD" else request.method.lower()]
        known = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
        if unknown := sorted(set(request.GET) - known):
            words = _("Unknown parameter.")
            raise problems.Problem(422, words, [problems.build_error("unknown", words, name) for name in unknown])
        return view(request, *args, **kwargs)

    return wrapper


api.add_decorator(known_parameters_required)


@api.get("datasets/", auth=READS, response={200: DatasetList, **REFUSAL_RESPONSES}, url_name="api-datasets")
def list_datasets(request: UserRequest, after: After = "") -> dict[str, Any]:
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
def new_dataset(request: UserRequest, body: NewDataset) -> Status[dict[str, Any]]:
    """Create a dataset."""
    dataset = create_dataset(by=request.user, **body.model_dump(exclude_unset=True))
    return Status(201, build_dataset(dataset, request.user))


@api.get("datasets/{slug:slug}/", auth=READS, response={200: DatasetOut, **REFUSAL_RESPONSES}, url_name="api-dataset")
def show_dataset(request: UserRequest, slug: Slug) -> dict[str, Any]:
    """A dataset: its settings, progress, agreement and verdicts."""
    return build_dataset(get_object_or_404(Dataset, slug=slug), request.user)


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
    request: UserRequest,
    slug: Slug,
    format: Format = "auto",
    skip_bad_rows: bool = False,
    file: FileName = "rows",
    leave_out: LeaveOut = "",
    ignore: Ignored = [],  # noqa: B006
    turns: Turns = "keep",
    mask: Mask = "",
    background: Background = None,
) -> Status[dict[str, Any]] | dict[str, Any]:
    """Store the rows of the body. If one is refused, none is stored, unless `skip_bad_rows`."""
    dataset = get_object_or_404(Dataset, slug=slug)
    with body_file(request) as body:
        if is_background(background, os.fstat(body.fileno()).st_size > BYTES_AT_ONCE):
            arguments = {"format": format, "skip_bad_rows": skip_bad_rows, "file": file, "leave_out": leave_out}
            arguments |= {"ignore": ignore, "turns": turns, "mask": mask}
            return Status(202, build_task(start_rows(body.name, dataset, request.user, **arguments)))
        options = build_options(format, ignore, turns, mask)
        return receive(body, dataset, request.user, options, skip_bad_rows, file, leave_out)


def is_background(background: bool | None, is_long: bool) -> bool:
    """Whether to run something as a task: as requested, by default if it takes long."""
    return is_long if background is None else background


@api.post(
    "datasets/{slug:slug}/feedback/",
    auth=FEEDS,
    response={
        200: FeedbackOut,
        201: FeedbackOut,
        207: list[FeedbackOut],
        **REFUSAL_RESPONSES,
        **dict.fromkeys([400, 409, 413, 429, 503], ProblemOut),
    },
    exclude_none=True,
    openapi_extra=FEEDBACK,
    url_name="api-feedback",
)
def send_feedback(request: TokenRequest, slug: Slug) -> Status[dict[str, Any]] | Status[list[dict[str, Any]]]:
    """Store what a user of your product said about its answers; or a list, each item with a status of its own."""
    check_rate(request.auth)
    dataset, body = get_object_or_404(Dataset, slug=slug), read_body(request)
    return Status(207, receive_list(dataset, body)) if isinstance(body, list) else Status(*receive_one(dataset, body))


@api.get("tasks/{int:number}/", auth=READS, response={200: TaskOut, **REFUSAL_RESPONSES}, url_name="api-task")
def show_task(request: UserRequest, number: Number) -> dict[str, Any]:
    """The progress and the result of a task."""
    job = get_object_or_404(Job, pk=number)
    if worker.is_abandoned(job):
        worker.wake()
    return build_task(job)


@api.post(
    "tasks/{int:number}/cancel/", auth=WRITES, response={200: TaskOut, **REFUSAL_RESPONSES}, url_name="api-task-cancel"
)
def cancel_task(request: UserRequest, number: Number) -> dict[str, Any]:
    """Cancel a task. A running one stops within about a second and leaves nothing; a finished one is unchanged."""
    job = get_object_or_404(Job, pk=number)
    worker.cancel(job)
    job.refresh_from_db()
    return build_task(job)


@api.get(
    "datasets/{slug:slug}/imports/{int:number}/",
    auth=READS,
    response={200: ImportOut, **REFUSAL_RESPONSES},
    url_name="api-import",
)
def show_import(request: UserRequest, slug: Slug, number: Number) -> dict[str, Any]:
    """An import, made by any user."""
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
def export_file(request: UserRequest, slug: Slug, name: str) -> StreamingHttpResponse:
    """A file for a trainer, streamed, with the filters of the pages."""
    dataset = get_object_or_404(Dataset, slug=slug)
    if name not in get_writable_formats():
        raise Http404
    file = FileForm(request.GET, name=name)
    if not file.is_valid():
        raise problems.build_form_problem(file)
    export = Export(dataset, name, parse_filters(request, dataset), **file.get_options())
    response = stream_export(export)
    response["ETag"] = f'"{uuid.uuid4().hex}"'  # new each time: loaders cache by it, and the data may have changed
    response["Accept-Ranges"] = "none"
    return response


@api.api_operation(
    ["HEAD"], "datasets/{slug:slug}/export/{slug:name}/", auth=READS, include_in_schema=False, url_name="api-export"
)
def export_head(request: UserRequest, slug: Slug, name: str) -> StreamingHttpResponse:
    """The headers of a file, which loaders request first; without a length, since nothing is counted."""
    response = export_file(request, slug, name)
    response.streaming_content = []
    return response


def parse_filters(request: HttpRequest, dataset: Dataset) -> Filters:
    """The filters in a query. Raises Problem 422 if one is invalid."""
    form = FilterForm(dataset, request.GET)
    if not form.is_valid():
        raise problems.build_form_problem(form)
    return form.build_filters()


@api.get(
    "datasets/{slug:slug}/bundles/", auth=READS, response={200: BundleList, **REFUSAL_RESPONSES}, url_name="api-bundles"
)
def list_bundles(request: UserRequest, slug: Slug) -> dict[str, Any]:
    """The stored bundles."""
    dataset = get_object_or_404(Dataset, slug=slug)
    return {"bundles": list(dataset.snapshots.filter(is_whole=True).defer("manifest")[:PAGE_SIZE])}


@api.post(
    "datasets/{slug:slug}/bundles/",
    auth=WRITES,
    response={201: BundleOut, 202: TaskOut, **REFUSAL_RESPONSES},
    openapi_extra=BUNDLE,
    url_name="api-bundles",
)
def new_bundle(
    request: UserRequest, slug: Slug, background: Background = None
) -> Status[dict[str, Any]] | Status[Snapshot]:
    """Make a bundle with the filters in the query, and store it."""
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
def show_bundle(request: UserRequest, slug: Slug, number: Number) -> Snapshot:
    """A bundle, with its manifest."""
    return find_snapshot(slug, number)


@api.get(
    "datasets/{slug:slug}/bundles/{int:number}/archive/",
    auth=READS,
    response={200: None, **REFUSAL_RESPONSES},
    openapi_extra=ARCHIVE,
    url_name="api-archive",
)
def bundle_archive(request: UserRequest, slug: Slug, number: Number) -> StreamingHttpResponse:
    """The archive of a bundle, byte for byte as it was made."""
    return stream_archive(find_snapshot(slug, number))


def find_snapshot(slug: str, number: int) -> Snapshot:
    return get_object_or_404(Snapshot, dataset__slug=slug, number=number, is_whole=True)


@functools.cache
def build_document() -> dict[str, Any]:
    """The OpenAPI document."""
    return api.get_openapi_schema(path_prefix=ROOT)


@anyone
@require_safe
def openapi(request: HttpRequest) -> JsonResponse:
    """The OpenAPI document. Needs no token, since it contains no stored data."""
    return JsonResponse(build_document())


@csrf_exempt
@anyone
def answer_not_found(request: HttpRequest) -> JsonResponse:
    """404 as JSON for any other path under /api/."""
    return problems.answer(request, problems.Problem(404, _("No such endpoint; every URL ends with a slash.")))


def iter_endpoints() -> Iterator[URLPattern]:
    """The URLs of the endpoints, their views guarded by `token_required`."""
    for pattern in api.urls[0]:
        if isinstance(pattern, URLPattern) and pattern.name != "api-root":  # ninja's own, an empty page
            pattern.callback = token_required(answered_in_json(pattern.callback))
            yield pattern


def answered_in_json(
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Replaces ninja's HTML response for a wrong method (405) by JSON."""

    @functools.wraps(view)
    def wrapper(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if response.status_code != 405:
            return response
        refusal = problems.answer(request, problems.Problem(405, _("This URL does not support this method.")))
        refusal["Allow"] = response["Allow"]
        return refusal

    return wrapper

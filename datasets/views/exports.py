"""Exports: choose the filters, preview the account, download; and the bundles of a dataset."""

import operator
from collections.abc import Iterable, Sequence
from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from datasets import reasons
from datasets.bundles import tasks
from datasets.bundles.archive import BUNDLE, DIALECTS, SHARES, temporary_archive
from datasets.bundles.forms import BundleForm, PushForm
from datasets.bundles.hub import is_installed
from datasets.bundles.snapshots import compare_snapshots, iter_content
from datasets.comparisons.review import has_review
from datasets.exports.export import Export
from datasets.exports.extras import get_dialects_with_extras
from datasets.exports.forms import FileForm, FilterForm
from datasets.exports.selection import Filters
from datasets.formats import get_file_kind, get_writable_formats
from datasets.models import Dataset, Job, Judgment, Prompt, Snapshot
from datasets.views.access import UserRequest, dataset_admin_required
from datasets.views.downloads import stream_download, stream_export

PREVIEW_ROWS = 3
PREVIEW_PROMPTS = 2000  # prompts that a preview reads; its counts are extrapolated to the rest
SNAPSHOTS_SHOWN = 50
PUSHES_SHOWN = 10
PAGE_PARAMETERS = ("format", "exact", "download")  # of the page, beside the fields of its forms


@dataset_admin_required
@require_safe
def export_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The filters, with the account and the first rows of their export; `exact` counts all prompts, `download` leads to
    the file.
    """
    known_forms = (FilterForm(dataset), FileForm(), BundleForm())
    unknown = list_unknown(request.GET, known_forms, PAGE_PARAMETERS)
    return show_export(request, dataset, request.GET.get("format", "dpo"), unknown)


def show_export(
    request: UserRequest, dataset: Dataset, name: str, unknown: Sequence[str], status: int = 200
) -> HttpResponse:
    """The page of an export, with its errors.

    name: of the dialect. unknown: parameters that are no filters.
    """
    data = request.GET or None
    form, file, takers = FilterForm(dataset, data), FileForm(request.GET), get_dialects_with_extras()
    is_bundle_filled = bool({"dialects", "split"} & set(request.GET))
    bundle = BundleForm(
        request.GET if is_bundle_filled else None, initial={"dialects": DIALECTS, "split": ",".join(map(str, SHARES))}
    )
    bundle.fields["split"].widget.attrs["form"] = "choosing"
    is_format = name in get_writable_formats()
    errors = [_("There is no filter “%(name)s”.") % {"name": parameter} for parameter in unknown]
    errors += [str(error) for bound_form in (form, file) for found in bound_form.errors.values() for error in found]
    errors += [] if is_format or name == BUNDLE else [_("There is no such format.")]
    context = {
        "dataset": dataset,
        "form": form,
        "bundle": bundle,
        "formats": {name: module.LABEL for name, module in get_writable_formats().items()},
        "tables": [key for key in get_writable_formats() if get_file_kind(key) == "csv"],
        "name": name,
        "hidden": list_hidden_filters(form, dataset),
        "names": list_exported_names(dataset),
        "snapshots": dataset.snapshots.filter(is_whole=True).defer("manifest")[:SNAPSHOTS_SHOWN],
        "file_form": file,
        "takers": takers,
        "errors": errors,
    }
    if is_format and not errors and "download" in request.GET:
        kept = [(key, value) for key, value in list_filters(request.GET) if key != "with" or name in takers]
        return redirect(f"{reverse('export', args=[dataset.slug, name])}?{urlencode(kept)}".removesuffix("?"))
    if data and is_format and not errors:
        most = None if "exact" in request.GET else PREVIEW_PROMPTS
        context |= build_preview(dataset, name, form.build_filters(), file.get_options()["extras"], most)
    status = 422 if unknown or (errors and "download" in request.GET) else status
    template = "datasets/_account.html" if request.htmx else "datasets/export.html"
    return render(request, template, context, status=status)


def list_unknown(query: QueryDict, known_forms: Iterable[forms.Form], others: Iterable[str] = ()) -> list[str]:
    """The parameters that are none of these forms' fields: a misspelt filter must not return the whole file."""
    known = {form.add_prefix(name) for form in known_forms for name in form.fields}
    return sorted(set(query) - known - set(others))


def list_hidden_filters(form: FilterForm, dataset: Dataset) -> list[str]:
    """The filters that have no effect on this dataset."""
    hidden = [] if len(list(cast(Any, form.fields["criterion"]).choices)) > 1 else ["criterion"]
    reviewed = has_review(dataset) or Judgment.objects.decisions().filter(comparison__dataset=dataset).exists()
    return hidden if reviewed else [*hidden, "decisions"]


def list_filters(query: QueryDict) -> list[tuple[str, str]]:
    """The (name, value) pairs of a file's filters and options in the query string of the page."""
    values = ((key, value) for key, values in query.lists() for value in values)
    return [(key, value) for key, value in values if value and key not in (*PAGE_PARAMETERS, "dialects", "split")]


def build_preview(
    dataset: Dataset, name: str, filters: Filters, extras: tuple[str, ...], most: int | None
) -> dict[str, Any]:
    """The account and the first rows of an export, as template context.

    most: prompts to read; None for all. If it leaves some out, `about` is the extrapolated number of rows.
    """
    export = Export(dataset, name, filters, most=most, extras=extras)
    first = b""
    for piece in export.iter_pieces():
        if first.count(b"\n") < PREVIEW_ROWS:
            first += piece
    preview = first.splitlines()[:PREVIEW_ROWS] if get_file_kind(name) == "jsonl" else []
    account = export.build_account()
    prompts = Prompt.objects.visible().filter(dataset=dataset).count()
    is_partial = most is not None and prompts > most and get_file_kind(name) == "jsonl"
    return {
        "account": account,
        "about": round(account["rows"] * prompts / most) if most and is_partial else None,
        "counted": most,
        "prompts": prompts,
        "left_out": [(reasons.LEFT_OUT[reason], count) for reason, count in account["left_out"].items()],
        "preview": [line.decode() for line in preview],
    }


def list_exported_names(dataset: Dataset) -> list[str]:
    """The annotators in the exports of a dataset: at most 500 users and 500 names from imported files."""
    votes = Judgment.objects.votes().filter(dataset=dataset)
    named = votes.exclude(annotator=None).values_list("annotator__username", flat=True)
    imported = votes.exclude(imported_by="").values_list("imported_by", flat=True)
    return sorted({*named.order_by().distinct()[:500], *imported.order_by().distinct()[:500]})


@dataset_admin_required
@require_safe
def export_file(request: UserRequest, dataset: Dataset, name: str) -> HttpResponseBase:
    """An export or a bundle as a file."""
    if name not in (*get_writable_formats(), BUNDLE):
        raise Http404(_("There is no such format."))
    form, bundle = FilterForm(dataset, request.GET), BundleForm(request.GET)
    file = FileForm(request.GET, name="" if name == BUNDLE else name)
    bound_forms = (form, bundle, file) if name == BUNDLE else (form, file)
    unknown = list_unknown(request.GET, bound_forms)
    if unknown or not all(bound_form.is_valid() for bound_form in bound_forms):
        return show_export(request, dataset, name, unknown, status=400)
    if name == BUNDLE:  # not stored: a GET request changes nothing
        settings = bundle.build_settings(form.build_filters())
        with temporary_archive(dataset, settings, request.user.username) as (path, *_rest):
            return FileResponse(open(path, "rb"), as_attachment=True, filename=f"{dataset.slug}.zip")
    return stream_export(Export(dataset, name, form.build_filters(), **file.get_options()))


@dataset_admin_required
@require_POST
def bundle_make(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Makes a bundle with the chosen filters and stores it."""
    form, bundle, file = FilterForm(dataset, request.POST), BundleForm(request.POST), FileForm()
    posted = request.POST.copy()
    posted.pop("csrfmiddlewaretoken", None)
    back = f"{reverse('exports', args=[dataset.slug])}?{posted.urlencode()}"
    if list_unknown(posted, (form, bundle, file), PAGE_PARAMETERS):
        return redirect(back)  # the page says which
    if not posted.getlist("dialects"):
        messages.error(request, _("Tick at least one format."))
        return redirect(back)
    if not (form.is_valid() and bundle.is_valid()):
        for error in [*form.errors.values(), *bundle.errors.values()]:
            messages.error(request, " ".join(map(str, error)))
        return redirect(back)
    field_names = {bound_form.add_prefix(name) for bound_form in (form, bundle) for name in bound_form.fields}
    data = {name: values for name, values in posted.lists() if name in field_names}
    job = tasks.start_bundle(dataset, request.user, data)
    return redirect("task", job.pk)


@dataset_admin_required
@require_safe
def bundle_page(request: UserRequest, dataset: Dataset, number: int) -> HttpResponse:
    """The contents of a bundle, its differences from another one, and where it was pushed."""
    snapshot = find_snapshot(dataset, number)
    return show_bundle(request, snapshot, PushForm(initial=get_push_defaults(dataset)))


@dataset_admin_required
@require_POST
def bundle_push(request: UserRequest, dataset: Dataset, number: int) -> HttpResponse:
    """Pushes a bundle to the Hub in the background."""
    snapshot, form = find_snapshot(dataset, number), PushForm(request.POST)
    if not (is_installed() and form.is_valid()):
        return show_bundle(request, snapshot, form, status=422)
    job = tasks.start_push(snapshot, request.user, **form.cleaned_data)
    return redirect("task", job.pk)


def get_push_defaults(dataset: Dataset) -> dict[str, Any]:
    """The repository of the last push and whether it was public, as initial values for the next one."""
    last = dataset.jobs.filter(kind="push", state=Job.State.DONE).order_by("-pk").first()
    return {name: last.arguments[name] for name in ("repo", "public")} if last else {}


def show_bundle(request: UserRequest, snapshot: Snapshot, form: PushForm, status: int = 200) -> HttpResponse:
    dataset = snapshot.dataset
    others = dataset.snapshots.filter(is_whole=True).exclude(pk=snapshot.pk)
    context = {
        "dataset": dataset,
        "snapshot": snapshot,
        "others": others.defer("manifest")[:SNAPSHOTS_SHOWN],
        "left_out": [(reasons.LEFT_OUT[reason], n) for reason, n in snapshot.manifest["left_out"].items()],
        "files": sorted((path, about) for path, about in snapshot.manifest["files"].items() if "dialect" in about),
        "form": form,
        "can_push": is_installed(),
        "pushes": [(push.result, push.finished_at) for push in list_pushes(snapshot)],
    }
    if (against := request.GET.get("with", "")).isdecimal() and len(against) < 10:
        old, new = sorted((find_snapshot(dataset, int(against)), snapshot), key=operator.attrgetter("number"))
        changes = compare_snapshots(old, new)
        context |= {"old": old, "new": new, "difference": changes}
        context["differences"] = [
            (_("Added"), changes.added, changes.examples["added"]),
            (_("Changed: another answer won, or another part"), changes.changed, changes.examples["changed"]),
            (_("Removed"), changes.removed, changes.examples["removed"]),
        ]
    return render(request, "datasets/bundle.html", context, status=status)


def list_pushes(snapshot: Snapshot) -> QuerySet[Job]:
    done = snapshot.dataset.jobs.filter(kind="push", state=Job.State.DONE, arguments__bundle=snapshot.number)
    return done.order_by("-pk")[:PUSHES_SHOWN]


@dataset_admin_required
@require_safe
def bundle_file(request: UserRequest, dataset: Dataset, number: int) -> StreamingHttpResponse:
    """The archive of a bundle, byte for byte as it was made."""
    return stream_archive(find_snapshot(dataset, number))


def stream_archive(snapshot: Snapshot) -> StreamingHttpResponse:
    """The archive of a bundle as a download."""
    return stream_download(iter_content(snapshot), f"{snapshot}.zip", "application/zip", snapshot.size)


def find_snapshot(dataset: Dataset, number: int) -> Snapshot:
    return get_object_or_404(Snapshot, dataset=dataset, number=number, is_whole=True)

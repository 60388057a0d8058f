"""Exports: choose trainer, dialect and filters, preview, download; and the releases of a dataset, which are bundles."""

import operator
from collections.abc import Iterable, Sequence
from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db.models import Exists, OuterRef, QuerySet
from django.http import FileResponse, Http404, HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from datasets import reasons
from datasets.bundles import tasks
from datasets.bundles.archive import BUNDLE, DIALECTS, SHARES, temporary_archive
from datasets.bundles.forms import BundleForm, PushForm
from datasets.bundles.hub import is_installed
from datasets.bundles.snapshots import Difference, compare_snapshots, iter_content
from datasets.comparisons.review import has_review
from datasets.exports.command import build_command
from datasets.exports.conversations import CONVERSATION_FORMATS, count_chats
from datasets.exports.export import Export
from datasets.exports.extras import get_dialects_with_extras
from datasets.exports.forms import FileForm, FileOptions, FilterForm, list_effective
from datasets.exports.selection import Filters
from datasets.exports.wording import describe_filters, get_purpose, restore_cleaned
from datasets.formats import TRAINERS, get_file_kind, get_trainers, get_writable_formats, list_trainers
from datasets.judgments.progress import count_with_cache
from datasets.models import Dataset, Job, Judgment, Prompt, Snapshot
from datasets.text.near_duplicates import PARTS
from datasets.views.access import UserRequest, dataset_admin_required
from datasets.views.downloads import stream_download, stream_export
from datasets.views.moved import posted_from

PREVIEW_ROWS = 3
# What a preview reads at most, if each prompt has its votes; its counts are extrapolated to the rest.
PREVIEW_PROMPTS, PREVIEW_VOTES = 2000, 4000
SNAPSHOTS_SHOWN = 50
PUSHES_SHOWN = 10
DIFFERENCE_KEPT = 7 * 24 * 3600  # seconds; releases never change
PAGE_PARAMETERS = ("format", "trainer", "exact", "download")  # of the page, beside the fields of its forms


@dataset_admin_required
@require_safe
def export_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The filters, with the account and the first rows of their export; `exact` counts all prompts, `download` leads to
    the file.
    """
    known_forms = (FilterForm(dataset), FileForm(), BundleForm())
    unknown = list_unknown(request.GET, known_forms, PAGE_PARAMETERS)
    trainer, name = choose_dialect(request.GET)
    return show_export(request, dataset, name, unknown, trainer=trainer)


def choose_dialect(query: QueryDict) -> tuple[str, str]:
    """(trainer, name of the dialect) in the query of the page.

    The page sends its trainer with each request; the button of another trainer sends that one after it.
    """
    trainers = list_trainers()
    names = {slugify(trainer): trainer for trainer in trainers}
    asked = [names[value] for value in query.getlist("trainer") if value in names]
    name = query.get("format")
    if asked and (name is None or name in trainers[asked[-1]]):
        return asked[-1], name or trainers[asked[-1]][0]
    if len(asked) > 1 and name in get_writable_formats():
        return asked[-1], trainers[asked[-1]][0]
    name = trainers[TRAINERS[0]][0] if name is None else name
    return find_trainer(name), name


def find_trainer(name: str) -> str:
    """The first trainer on the page that reads a dialect; the very first one for an unknown dialect."""
    return next((trainer for trainer, names in list_trainers().items() if name in names), TRAINERS[0])


def list_dialects(trainer: str) -> list[dict[str, Any]]:
    """The dialects of a trainer, as the page shows them."""
    formats, takers = get_writable_formats(), get_dialects_with_extras()
    return [
        {
            "name": name,
            "label": formats[name].LABEL,
            "purpose": get_purpose(name),
            "settings": get_trainers(name).get(trainer, ""),
            "is_table": get_file_kind(name) == "csv",
            "has_extras": name in takers,
            "has_chats": name in CONVERSATION_FORMATS,
        }
        for name in list_trainers()[trainer]
    ]


def show_export(
    request: UserRequest,
    dataset: Dataset,
    name: str,
    unknown: Sequence[str],
    status: int = 200,
    file: FileForm | None = None,
    trainer: str | None = None,
) -> HttpResponse:
    """The page of an export, with its errors.

    name: of the dialect. unknown: parameters that are no filters.
    file: of a download that was refused; without it, the options that the page shows for the dialect.
    trainer: whose dialects are shown; by default the first one that reads the dialect.
    """
    data = request.GET or None
    options = drop_hidden_options(request.GET, name)
    form, file = FilterForm(dataset, data or {}), file or FileForm(options)
    trainer = trainer or find_trainer(name)
    bundle = BundleForm(fill_bundle(options))
    bundle.fields["split"].widget.attrs["form"] = "choosing"
    is_format = name in get_writable_formats()
    errors = [_("Unknown filter “%(name)s”.") % {"name": parameter} for parameter in unknown]
    errors += [str(error) for bound_form in (form, file) for found in bound_form.errors.values() for error in found]
    errors += [] if is_format or name == BUNDLE else [_("Unknown format.")]
    context = {
        "dataset": dataset,
        "form": form,
        "bundle": bundle,
        "trainers": {slugify(trainer): trainer for trainer in list_trainers()},
        "trainer": slugify(trainer),
        "dialects": list_dialects(trainer),
        "name": name,
        "hidden": list_hidden_filters(form, dataset),
        "names": list_exported_names(dataset),
        "snapshots": dataset.snapshots.filter(is_whole=True).defer("manifest")[:SNAPSHOTS_SHOWN],
        "file_form": file,
        "set_filters": list_effective(request.GET),
        "is_wrong": bool(form.errors or unknown),
        "has_chats": dataset.has_chat or bool(count_chats(dataset)),
        "errors": errors,
    }
    if is_format and not errors and "download" in request.GET:
        query = urlencode(list_filters(options))
        return redirect(f"{reverse('export', args=[dataset.slug, name])}?{query}".removesuffix("?"))
    if is_format and not errors:
        context["command"] = build_command(dataset, name, {**form.cleaned_data, **file.cleaned_data})
    can_release = form.is_valid() and bundle.is_valid() and not unknown and not options.get("conversations")
    if can_release and bundle.cleaned_data["dialects"]:
        context["release_command"] = build_command(dataset, BUNDLE, {**form.cleaned_data, **bundle.cleaned_data})
    if data and is_format and not errors:
        most = None if "exact" in request.GET else min(PREVIEW_PROMPTS, PREVIEW_VOTES // max(dataset.overlap, 1))
        context |= build_preview(dataset, name, form.build_filters(), file.get_options(), most)
    status = 422 if unknown or (errors and "download" in request.GET) else status
    template = "datasets/_account.html" if request.htmx else "datasets/export.html"
    return render(request, template, context, status=status)


def drop_hidden_options(query: QueryDict, name: str) -> QueryDict:
    """The query of the page without the options that it hides for a dialect."""
    kept = query.copy()
    if name in get_writable_formats() and name not in get_dialects_with_extras():
        kept.pop("with", None)
    if name not in CONVERSATION_FORMATS:
        kept.pop("conversations", None)
    return kept


def fill_bundle(query: QueryDict) -> QueryDict:
    """The query of the page, with the formats and the split that it offers first where it has neither."""
    filled = query.copy()
    if not {"dialects", "split"} & set(query):
        filled.setlist("dialects", list(DIALECTS))
        filled["split"] = ",".join(map(str, SHARES))
    return filled


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
    dataset: Dataset, name: str, filters: Filters, options: FileOptions, most: int | None
) -> dict[str, Any]:
    """The account and the first rows of an export, as template context.

    most: prompts or chats to read; None for all. If it leaves some out, `about` is the extrapolated number of rows.
    """
    export = Export(dataset, name, filters, most=most, **options)
    first = b""
    for piece in export.iter_pieces():
        if first.count(b"\n") < PREVIEW_ROWS:
            first += piece
    preview = first.splitlines()[:PREVIEW_ROWS] if get_file_kind(name) == "jsonl" else []
    account = export.build_account()
    prompts = Prompt.objects.visible().filter(dataset=dataset)
    total = count_chats(dataset) if options["conversations"] else prompts.count()
    is_partial = most is not None and total > most and get_file_kind(name) == "jsonl"
    return {
        "account": account,
        "about": round(account["rows"] * total / most) if most and is_partial else None,
        "counted": most,
        "total": total,
        "of_chats": options["conversations"],
        "left_out": [(reasons.LEFT_OUT[reason], count) for reason, count in account["left_out"].items()],
        "excluded": sum(account["left_out"].values()),
        "preview": [line.decode() for line in preview],
    }


def list_exported_names(dataset: Dataset) -> list[str]:
    """The annotators in the exports of a dataset: at most 500 users and 500 names from imported files."""
    votes = Judgment.objects.votes().filter(dataset=dataset).order_by()
    users = get_user_model().objects.filter(Exists(votes.filter(annotator=OuterRef("pk"))))
    imported = votes.filter(annotator=None).exclude(imported_by="").values_list("imported_by", flat=True)
    named = users.order_by().values_list("username", flat=True)[:500]
    return sorted({*named, *count_with_cache(f"imported-{dataset.pk}", lambda: list(imported.distinct()[:500]))})


@dataset_admin_required
@require_safe
def export_file(request: UserRequest, dataset: Dataset, name: str) -> HttpResponseBase:
    """An export or a bundle as a file."""
    if name not in (*get_writable_formats(), BUNDLE):
        raise Http404(_("Unknown format."))
    form, bundle = FilterForm(dataset, request.GET), BundleForm(request.GET)
    file = FileForm(request.GET, name=name)
    bound_forms = (form, bundle, file) if name == BUNDLE else (form, file)
    unknown = list_unknown(request.GET, bound_forms)
    if unknown or not all(bound_form.is_valid() for bound_form in bound_forms):
        return show_export(request, dataset, name, unknown, status=400, file=file)
    if name == BUNDLE:  # not stored: a GET request changes nothing
        settings = bundle.build_settings(form.build_filters())
        with temporary_archive(dataset, settings, request.user.username) as (path, *_rest):
            return FileResponse(open(path, "rb"), as_attachment=True, filename=f"{dataset.slug}.zip")
    return stream_export(Export(dataset, name, form.build_filters(), **file.get_options()))


@dataset_admin_required
@posted_from("exports", "slug")
def bundle_make(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Makes a bundle with the chosen filters and stores it."""
    posted = request.POST.copy()
    posted.pop("csrfmiddlewaretoken", None)
    shown = drop_hidden_options(posted, posted.get("format", ""))
    form, bundle, file = FilterForm(dataset, shown), BundleForm(shown), FileForm()
    back = f"{reverse('exports', args=[dataset.slug])}?{posted.urlencode()}"
    if list_unknown(posted, (form, bundle, file), PAGE_PARAMETERS):
        return redirect(back)  # the page says which
    if shown.get("conversations"):
        messages.error(request, _("Releases do not support one row per chat: untick it, or download the file instead."))
        return redirect(back)
    if not shown.getlist("dialects"):
        messages.error(request, _("Tick at least one format."))
        return redirect(back)
    if not (form.is_valid() and bundle.is_valid()):
        for error in [*form.errors.values(), *bundle.errors.values()]:
            messages.error(request, " ".join(map(str, error)))
        return redirect(back)
    field_names = {bound_form.add_prefix(name) for bound_form in (form, bundle) for name in bound_form.fields}
    data = {name: values for name, values in shown.lists() if name in field_names}
    job = tasks.start_bundle(dataset, request.user, data)
    return redirect("task", job.pk)


@dataset_admin_required
@require_safe
def bundle_page(request: UserRequest, dataset: Dataset, number: int) -> HttpResponse:
    """The contents of a bundle, its differences from another one (the previous one by default), and its pushes."""
    snapshot = find_snapshot(dataset, number)
    return show_bundle(request, snapshot, PushForm(initial=get_push_defaults(dataset)))


@dataset_admin_required
@posted_from("bundle", "slug", "number")
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
    dataset, manifest = snapshot.dataset, snapshot.manifest
    others = dataset.snapshots.filter(is_whole=True).exclude(pk=snapshot.pk).order_by("-number").defer("manifest")
    made_with = restore_cleaned(manifest["settings"])
    context = {
        "dataset": dataset,
        "snapshot": snapshot,
        "others": others[:SNAPSHOTS_SHOWN],
        "filters": describe_filters(made_with),
        "shares": made_with["split"],
        "split_label": BundleForm.base_fields["split"].label,
        "command": build_command(dataset, BUNDLE, made_with),
        "parts": [part for part in PARTS if manifest["settings"]["shares"].get(part)],
        "dialects": count_rows(manifest),
        "left_out": [(reasons.LEFT_OUT[reason], n) for reason, n in manifest["left_out"].items()],
        "form": form,
        "can_push": is_installed(),
        "pushes": [(push.result, push.finished_at) for push in list_pushes(snapshot)],
    }
    other: Snapshot | None
    against = request.GET.get("with", "")
    is_chosen = against.isdecimal() and len(against) < 10
    previous = others.filter(number__lt=snapshot.number).first()
    other = find_snapshot(dataset, int(against)) if is_chosen else previous
    if other:
        old, new = sorted((other, snapshot), key=operator.attrgetter("number"))
        changes = compare_with_cache(old, new)
        context |= {"other": other, "old": old, "new": new}
        context["differences"] = [
            (_("Added"), changes.added, changes.examples["added"]),
            (_("Changed winner or split"), changes.changed, changes.examples["changed"]),
            (_("Removed"), changes.removed, changes.examples["removed"]),
        ]
    return render(request, "datasets/bundle.html", context, status=status)


def count_rows(manifest: dict[str, Any]) -> list[tuple[str, list[int], int]]:
    """(dialect, rows of each part that has a share, rows in all) of each dialect of a bundle."""
    shares = manifest["settings"]["shares"]
    parts = [part for part in PARTS if shares.get(part)]
    files = [about for about in manifest["files"].values() if "dialect" in about]
    counts = {(about["dialect"], about["part"]): about["rows"] for about in files}
    rows = [(name, [counts.get((name, part), 0) for part in parts]) for name in manifest["settings"]["dialects"]]
    return [(name, numbers, sum(numbers)) for name, numbers in rows]


def compare_with_cache(old: Snapshot, new: Snapshot) -> Difference:
    """The difference between two bundles, which both are read for only once."""
    key = f"difference-{old.sha256}-{new.sha256}"
    found: Difference | None = cache.get(key)
    if found is None:
        found = compare_snapshots(old, new)
        cache.set(key, found, DIFFERENCE_KEPT)
    return found


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

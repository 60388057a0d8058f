"""Files out: choose what goes in, look at the account, download."""

import operator
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import FileResponse, Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from datasets import reasons
from datasets.bundles import tasks
from datasets.bundles.archive import BUNDLE, DIALECTS, temporary_archive
from datasets.bundles.forms import BundleForm, PushForm
from datasets.bundles.hub import is_installed
from datasets.bundles.snapshots import compare_snapshots, iter_content
from datasets.comparisons.review import has_review
from datasets.exports.export import Export
from datasets.exports.forms import FileForm, FilterForm
from datasets.formats import get_file_kind, get_writable_formats
from datasets.models import Job, Judgment, Prompt, Snapshot
from datasets.views.access import dataset_admin_required
from datasets.views.downloads import stream_download, stream_export

PREVIEW_ROWS = 3
PREVIEW_PROMPTS = 2000  # prompts that are looked at while choosing; the rest is reckoned
SNAPSHOTS_SHOWN = 50
PUSHES_SHOWN = 10


@dataset_admin_required
@require_safe
def export_page(request, dataset):
    """Choose what goes in, and see meanwhile what comes of it: the account and the first rows. `exact` counts all."""
    data = request.GET or None
    form, bundle = FilterForm(dataset, data), BundleForm(initial={"dialects": DIALECTS, "split": "80,10,10"})
    name, chosen = request.GET.get("format", "dpo"), parse_filters(request.GET)
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
        "query": urlencode(chosen),
        "chosen": chosen,
    }
    if data and name in get_writable_formats() and form.is_valid():
        context |= build_preview(
            dataset, name, form.build_filters(), None if "exact" in request.GET else PREVIEW_PROMPTS
        )
    return render(request, "datasets/_account.html" if request.htmx else "datasets/export.html", context)


def list_hidden_filters(form, dataset):
    """The filters that would change nothing here."""
    hidden = [] if len(list(form.fields["criterion"].choices)) > 1 else ["criterion"]
    reviewed = has_review(dataset) or Judgment.objects.decisions().filter(comparison__dataset=dataset).exists()
    return hidden if reviewed else [*hidden, "decisions"]


def parse_filters(query):
    """[(name, value)] of the filters that a query names."""
    values = ((key, value) for key, values in query.lists() for value in values)
    return [(key, value) for key, value in values if value and key not in ("format", "exact")]


def build_preview(dataset, name, filters, most):
    """The account and the first rows of an export. of: how many prompts there are, where not all were counted."""
    export = Export(dataset, name, filters, most=most)
    first = b""
    for piece in export.iter_pieces():
        if first.count(b"\n") < PREVIEW_ROWS:
            first += piece
    preview = first.splitlines()[:PREVIEW_ROWS] if get_file_kind(name) == "jsonl" else []
    account = export.build_account()
    prompts = Prompt.objects.visible().filter(dataset=dataset).count()
    counted_all = most is None or prompts <= most or get_file_kind(name) != "jsonl"
    return {
        "account": account,
        "about": None if counted_all else round(account["rows"] * prompts / most),
        "counted": most,
        "prompts": prompts,
        "left_out": [(reasons.LEFT_OUT[reason], count) for reason, count in account["left_out"].items()],
        "preview": [line.decode() for line in preview],
        "file": f"{dataset.slug}-{name}.{get_file_kind(name)}",
    }


def list_exported_names(dataset):
    """The names under which this dataset's votes are exported."""
    votes = Judgment.objects.votes().filter(dataset=dataset)
    named = votes.exclude(annotator=None).values_list("annotator__username", flat=True)
    imported = votes.exclude(imported_by="").values_list("imported_by", flat=True)
    return sorted({*named.order_by().distinct()[:500], *imported.order_by().distinct()[:500]})


@dataset_admin_required
@require_safe
def export_file(request, dataset, name):
    if name not in (*get_writable_formats(), BUNDLE):
        raise Http404(_("There is no such format."))
    form, bundle, file = FilterForm(dataset, request.GET), BundleForm(request.GET), FileForm(request.GET)
    if not (form.is_valid() and bundle.is_valid() and file.is_valid()):
        raise BadRequest("".join(bound_form.errors.as_text() for bound_form in (form, bundle, file)))
    if name == BUNDLE:  # not kept: whoever only asks for a page leaves nothing behind
        settings = bundle.build_settings(form.build_filters())
        with temporary_archive(dataset, settings, request.user.username) as (path, *_rest):
            return FileResponse(open(path, "rb"), as_attachment=True, filename=f"{dataset.slug}.zip")
    return stream_export(Export(dataset, name, form.build_filters(), **file.get_options()))


@dataset_admin_required
@require_POST
def bundle_make(request, dataset):
    """Make a bundle of what is chosen, and keep it."""
    form, bundle = FilterForm(dataset, request.POST), BundleForm(request.POST)
    if not request.POST.getlist("dialects"):
        messages.error(request, _("Tick at least one format."))
        return redirect("exports", dataset.slug)
    if not (form.is_valid() and bundle.is_valid()):
        for error in [*form.errors.values(), *bundle.errors.values()]:
            messages.error(request, " ".join(error))
        return redirect("exports", dataset.slug)
    field_names = {bound_form.add_prefix(name) for bound_form in (form, bundle) for name in bound_form.fields}
    data = {name: values for name, values in request.POST.lists() if name in field_names}
    job = tasks.start_bundle(dataset, request.user, data)
    return redirect("task", job.pk)


@dataset_admin_required
@require_safe
def bundle_page(request, dataset, number):
    """What a bundle holds, how it differs from another, and where it was pushed to."""
    snapshot = find_snapshot(dataset, number)
    return show_bundle(request, snapshot, PushForm(initial=get_push_defaults(dataset)))


@dataset_admin_required
@require_POST
def bundle_push(request, dataset, number):
    """Push a bundle to the Hub, in the background."""
    snapshot, form = find_snapshot(dataset, number), PushForm(request.POST)
    if not (is_installed() and form.is_valid()):
        return show_bundle(request, snapshot, form, status=422)
    job = tasks.start_push(snapshot, request.user, **form.cleaned_data)
    return redirect("task", job.pk)


def get_push_defaults(dataset):
    """Where the dataset was pushed to last, and whether for all to see: most likely the next goes there too."""
    last = dataset.jobs.filter(kind="push", state=Job.State.DONE).order_by("-pk").first()
    return {name: last.arguments[name] for name in ("repo", "public")} if last else {}


def show_bundle(request, snapshot, form, status=200):
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


def list_pushes(snapshot):
    done = snapshot.dataset.jobs.filter(kind="push", state=Job.State.DONE, arguments__bundle=snapshot.number)
    return done.order_by("-pk")[:PUSHES_SHOWN]


@dataset_admin_required
@require_safe
def bundle_file(request, dataset, number):
    """The archive, byte for byte as it was made."""
    return stream_archive(find_snapshot(dataset, number))


def stream_archive(snapshot):
    """The answer that holds a bundle."""
    return stream_download(iter_content(snapshot), f"{snapshot}.zip", "application/zip", snapshot.size)


def find_snapshot(dataset, number):
    return get_object_or_404(Snapshot, dataset=dataset, number=number, is_whole=True)

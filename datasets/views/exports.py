"""Files out: choose what goes in, look at the account, download."""

from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import FileResponse, Http404, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from datasets import reasons
from datasets.bundles import tasks
from datasets.bundles.archive import BUNDLE, DIALECTS, archive_of
from datasets.bundles.forms import BundleForm, PushForm
from datasets.bundles.hub import is_installed
from datasets.bundles.snapshots import content, difference
from datasets.comparisons.review import is_on
from datasets.exports.export import Export
from datasets.exports.forms import FileForm, FilterForm
from datasets.files.writers import CONTENT_TYPES
from datasets.formats import file_of, writable
from datasets.models import Job, Judgment, Prompt, Snapshot
from datasets.views.access import dataset_admin_required

PREVIEWED = 3
COUNTED = 2000  # prompts that are looked at while choosing; the rest is reckoned
SNAPSHOTS_SHOWN = 50
PUSHES_SHOWN = 10


@dataset_admin_required
@require_safe
def export_page(request, dataset):
    """Choose what goes in, and see meanwhile what comes of it: the account and the first rows. `exact` counts all."""
    data = request.GET or None
    form, bundle = FilterForm(dataset, data), BundleForm(initial={"dialects": DIALECTS, "split": "80,10,10"})
    name, chosen = request.GET.get("format", "dpo"), filled_in(request.GET)
    context = {
        "dataset": dataset,
        "form": form,
        "bundle": bundle,
        "formats": {name: module.LABEL for name, module in writable().items()},
        "tables": [key for key in writable() if file_of(key) == "csv"],
        "name": name,
        "hidden": hidden_in(form, dataset),
        "names": annotators_of(dataset),
        "snapshots": dataset.snapshots.filter(is_whole=True).defer("manifest")[:SNAPSHOTS_SHOWN],
        "query": urlencode(chosen),
        "chosen": chosen,
    }
    if data and name in writable() and form.is_valid():
        context |= looked_at(dataset, name, form.filters(), None if "exact" in request.GET else COUNTED)
    return render(request, "datasets/_account.html" if request.htmx else "datasets/export.html", context)


def hidden_in(form, dataset):
    """The filters that would change nothing here."""
    hidden = [] if len(list(form.fields["criterion"].choices)) > 1 else ["criterion"]
    reviewed = is_on(dataset) or Judgment.objects.decisions().filter(comparison__dataset=dataset).exists()
    return hidden if reviewed else [*hidden, "decisions"]


def filled_in(query):
    """[(name, value)] of the filters that a query names."""
    values = ((key, value) for key, values in query.lists() for value in values)
    return [(key, value) for key, value in values if value and key not in ("format", "exact")]


def looked_at(dataset, name, filters, most):
    """The account and the first rows of an export. of: how many prompts there are, where not all were counted."""
    export = Export(dataset, name, filters, most=most)
    first = b""
    for piece in export.pieces():
        if first.count(b"\n") < PREVIEWED:
            first += piece
    preview = first.splitlines()[:PREVIEWED] if file_of(name) == "jsonl" else []
    account = export.account()
    prompts = Prompt.objects.visible().filter(dataset=dataset).count()
    counted_all = most is None or prompts <= most or file_of(name) != "jsonl"
    return {
        "account": account,
        "about": None if counted_all else round(account["rows"] * prompts / most),
        "counted": most,
        "prompts": prompts,
        "left_out": [(reasons.LEFT_OUT[reason], count) for reason, count in account["left_out"].items()],
        "preview": [line.decode() for line in preview],
        "file": f"{dataset.slug}-{name}.{file_of(name)}",
    }


def annotators_of(dataset):
    """The names under which this dataset's votes are exported."""
    votes = Judgment.objects.votes().filter(dataset=dataset)
    named = votes.exclude(annotator=None).values_list("annotator__username", flat=True)
    imported = votes.exclude(imported_by="").values_list("imported_by", flat=True)
    return sorted({*named.order_by().distinct()[:500], *imported.order_by().distinct()[:500]})


@dataset_admin_required
@require_safe
def export_file(request, dataset, name):
    if name not in (*writable(), BUNDLE):
        raise Http404(_("There is no such format."))
    form, bundle, file = FilterForm(dataset, request.GET), BundleForm(request.GET), FileForm(request.GET)
    if not (form.is_valid() and bundle.is_valid() and file.is_valid()):
        raise BadRequest("".join(one.errors.as_text() for one in (form, bundle, file)))
    if name == BUNDLE:  # not kept: whoever only asks for a page leaves nothing behind
        with archive_of(dataset, bundle.settings(form.filters()), request.user.username) as (path, *_rest):
            return FileResponse(open(path, "rb"), as_attachment=True, filename=f"{dataset.slug}.zip")
    pieces = Export(dataset, name, form.filters(), **file.options()).pieces()
    response = StreamingHttpResponse(pieces, content_type=CONTENT_TYPES[file_of(name)])
    response["Content-Disposition"] = f'attachment; filename="{dataset.slug}-{name}.{file_of(name)}"'
    return response


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
    known = {one.add_prefix(name) for one in (form, bundle) for name in one.fields}
    said = {name: values for name, values in request.POST.lists() if name in known}
    job = tasks.bundle_of(dataset, request.user, said)
    return redirect("task", job.pk)


@dataset_admin_required
@require_safe
def bundle_page(request, dataset, number):
    """What a bundle holds, how it differs from another, and where it was pushed to."""
    kept = the_snapshot(dataset, number)
    return show_bundle(request, kept, PushForm(initial=pushed_last(dataset)))


@dataset_admin_required
@require_POST
def bundle_push(request, dataset, number):
    """Push a bundle to the Hub, in the background."""
    kept, form = the_snapshot(dataset, number), PushForm(request.POST)
    if not (is_installed() and form.is_valid()):
        return show_bundle(request, kept, form, status=422)
    job = tasks.push_of(kept, request.user, **form.cleaned_data)
    return redirect("task", job.pk)


def pushed_last(dataset):
    """Where the dataset was pushed to last, and whether for all to see: most likely the next goes there too."""
    last = dataset.jobs.filter(kind="push", state=Job.State.DONE).order_by("-pk").first()
    return {name: last.arguments[name] for name in ("repo", "public")} if last else {}


def show_bundle(request, kept, form, status=200):
    dataset = kept.dataset
    others = dataset.snapshots.filter(is_whole=True).exclude(pk=kept.pk)
    context = {
        "dataset": dataset,
        "snapshot": kept,
        "others": others.defer("manifest")[:SNAPSHOTS_SHOWN],
        "left_out": [(reasons.LEFT_OUT[reason], n) for reason, n in kept.manifest["left_out"].items()],
        "files": sorted((path, about) for path, about in kept.manifest["files"].items() if "dialect" in about),
        "form": form,
        "can_push": is_installed(),
        "pushes": [(push.result, push.finished_at) for push in pushes_of(kept)],
    }
    if (against := request.GET.get("with", "")).isdecimal() and len(against) < 10:
        old, new = sorted((the_snapshot(dataset, int(against)), kept), key=lambda one: one.number)
        found = difference(old, new)
        context |= {"old": old, "new": new, "difference": found}
        context["differences"] = [
            (_("Added"), found.added, found.examples["added"]),
            (_("Changed: another answer won, or another part"), found.changed, found.examples["changed"]),
            (_("Removed"), found.removed, found.examples["removed"]),
        ]
    return render(request, "datasets/bundle.html", context, status=status)


def pushes_of(kept):
    done = kept.dataset.jobs.filter(kind="push", state=Job.State.DONE, arguments__bundle=kept.number)
    return done.order_by("-pk")[:PUSHES_SHOWN]


@dataset_admin_required
@require_safe
def bundle_file(request, dataset, number):
    """The archive, byte for byte as it was made."""
    return as_archive(the_snapshot(dataset, number))


def as_archive(kept):
    """The answer that holds a bundle."""
    response = StreamingHttpResponse(content(kept), content_type="application/zip")
    response["Content-Length"] = kept.size
    response["Content-Disposition"] = f'attachment; filename="{kept}.zip"'
    return response


def the_snapshot(dataset, number):
    return get_object_or_404(Snapshot, dataset=dataset, number=number, is_whole=True)

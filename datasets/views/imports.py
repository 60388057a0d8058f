"""Imports: upload files, preview their rows, then store, drop or undo them."""

import json
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import OperationalError
from django.http import HttpResponse, QueryDict, UnreadablePostError
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from datasets import reasons
from datasets.disk import DiskFull, is_disk_full
from datasets.formats import get_readable_formats
from datasets.formats.rows import Response
from datasets.imports import check as imports_check
from datasets.imports import spool as imports_spool
from datasets.imports import store as imports_store
from datasets.imports import tasks
from datasets.imports.estimate import Estimate, estimate, fetch_tally
from datasets.imports.forms import PairingForm, UploadForm
from datasets.imports.personal_data import MASKABLE
from datasets.imports.spool import Spool
from datasets.imports.summary import COUNTS
from datasets.imports.undo import CannotUndo, undo_import
from datasets.jobs.worker import JobFailure
from datasets.judgments.wording import LETTERS
from datasets.models import Dataset, Import
from datasets.text.fingerprints import hash_text
from datasets.text.rendered import render as render_text
from datasets.text.rendered import render_prompt_parts
from datasets.views.access import UserRequest, admin_required, dataset_admin_required
from datasets.views.columns import check_kept, label_columns, show_columns
from datasets.views.paging import parse_after
from datasets.views.request_bodies import drain_or_close, received_upload

IMPORTS_A_PAGE = 50
REFUSALS_A_PAGE = 100
PREVIEW_PROMPTS, PREVIEW_ANSWERS = 3, 6
MODELS_SHOWN = 20


@csrf_exempt  # received_upload checks the CSRF token itself, before it reads a file
@admin_required
def upload(request: UserRequest) -> HttpResponse:
    """The upload form; POST checks the files."""
    if request.method != "POST":
        return show_upload(request, UploadForm(initial={"dataset": request.GET.get("dataset")}))
    try:
        with received_upload(request) as (post, files, refusal):
            return refusal or check_upload(request, UploadForm(post, files))
    except (DiskFull, OSError, OperationalError) as problem:  # UnreadablePostError is an OSError
        return refuse_upload(request, problem)


def check_upload(request: UserRequest, form: UploadForm) -> HttpResponse:
    """Checks uploaded files now if they are small, else starts a task that does."""
    if not form.is_valid():
        return show_upload(request, form)
    data = form.cleaned_data
    folder, names = tasks.keep_files(data["files"])
    try:
        return check_kept(request, folder, names, data["slug"], form.build_dataset_settings())
    except JobFailure as why:
        form.add_error("files", str(why))
        return show_upload(request, form)


def show_upload(request: UserRequest, form: UploadForm, status: int = 200) -> HttpResponse:
    return render(request, "datasets/upload.html", {"form": form}, status=422 if form.errors else status)


def refuse_upload(request: UserRequest, problem: Exception) -> HttpResponse:
    """The form again, with the reason why the files did not arrive. Re-raises any other problem."""
    is_full, is_cut = is_disk_full(problem), isinstance(problem, UnreadablePostError)
    if not (is_full or is_cut):
        raise problem
    cut = _("The upload was cut off. Nothing was stored; send it again.")
    full = _("The server's disk has no room for this upload. Nothing was stored. Tell your server admin.")
    messages.error(request, full if is_full else cut)
    return drain_or_close(show_upload(request, UploadForm(), status=507 if is_full else 400), request)


def store(request: UserRequest, run: Import) -> HttpResponse:
    """Stores a checked import, in the background if it is large, and redirects to the dataset or the task."""
    if form := build_pairing_form(run, request.POST):
        if not form.is_valid():
            return show_import(request, run, form)
        form.save()
    left_out = [doubt for doubt in request.POST.getlist("without") if doubt in reasons.WARNINGS]
    masked = [kind for kind in request.POST.getlist("mask") if kind in MASKABLE]
    if not tasks.is_small_import(run):
        return redirect("task", tasks.start_store(run, request.user, left_out, masked).pk)
    tasks.store_now(run, left_out, masked)
    run.refresh_from_db()
    rows_read = ngettext("%(n)s row read", "%(n)s rows read", run.rows) % {"n": intcomma(run.rows)}
    counts = _("%(prompts)s new prompts, %(responses)s answers, %(choices)s preferences, %(duplicates)s duplicates.")
    messages.success(request, f"{rows_read}: {counts % {name: intcomma(getattr(run, name)) for name in COUNTS}}")
    return redirect("dataset", run.slug)


@dataset_admin_required
@require_safe
def import_list(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The imports of a dataset, newest first."""
    imports = dataset.imports.select_related("created_by").order_by("-pk")
    if before := parse_after(request, "before"):
        imports = imports.filter(pk__lt=before)
    page = list(imports[:IMPORTS_A_PAGE])
    context = {"dataset": dataset, "imports": page, "earlier": page[-1].pk if len(page) == IMPORTS_A_PAGE else None}
    return render(request, "datasets/imports.html", context)


@admin_required
def import_page(request: UserRequest, pk: int) -> HttpResponse:
    """An import: its counts and refused rows; before it is stored, also a preview and the decision to store it."""
    run = get_object_or_404(Import, pk=pk)
    if run.state == Import.State.UNSURE:
        return show_columns(request, run)
    if imports_store.is_abandoned(run):
        return redirect("task", tasks.start_resume(run, request.user).pk)
    if request.method == "POST":
        return decide(request, run)
    return show_import(request, run)


def show_import(request: UserRequest, run: Import, form: PairingForm | None = None) -> HttpResponse:
    """The page of an import. form: as posted."""
    context = {
        "run": run,
        "dataset": run.dataset or Dataset.objects.filter(slug=run.slug).first(),
        "formats": label_formats(run),
        "can_undo": run.state == Import.State.DONE,
        **read_refusals_page(run, request),
    }
    if run.state == Import.State.CHECKED:
        context |= build_preview(run) | build_estimate(run, form or build_pairing_form(run))
    return render(request, "datasets/import.html", context, status=422 if form and form.errors else 200)


def label_formats(run: Import) -> list[str]:
    """The formats of an import's files, in words."""
    formats = get_readable_formats()
    return [formats[name].LABEL if name in formats else name for name in run.format.split(", ")]


def build_pairing_form(run: Import, data: QueryDict | None = None) -> PairingForm | None:
    """The settings of the dataset that an import creates; None if there is a dataset of this name."""
    return None if Dataset.objects.filter(slug=run.slug).exists() else PairingForm(run, data)


def decide(request: UserRequest, run: Import) -> HttpResponse:
    """Stores, drops or undoes an import if its state allows it."""
    decision = request.POST.get("decision")
    if run.state == Import.State.CHECKED and decision == "store":
        return store(request, run)
    if run.state == Import.State.CHECKED and decision == "estimate":
        return show_estimate(request, run)
    if run.state == Import.State.CHECKED and decision == "drop":
        imports_store.drop(run)
        messages.info(request, _("Nothing was stored."))
        return redirect("upload")
    if run.state == Import.State.CHECKED and decision == "columns":
        imports_check.ask_columns(run)
    if run.state == Import.State.DONE and decision == "undo":
        try:
            undo_import(run, request.user)
        except CannotUndo as why:
            messages.error(request, reasons.CANNOT_UNDO[why.reason])
        else:
            messages.success(request, _("The import was undone."))
    return redirect("import", run.pk)


def show_estimate(request: UserRequest, run: Import) -> HttpResponse:
    """The estimate for the settings of the form, alone or within the page; nothing is saved."""
    form = build_pairing_form(run, request.POST)
    if request.htmx:
        return render(request, "datasets/_estimate.html", build_estimate(run, form))
    return show_import(request, run, form)


def build_estimate(run: Import, form: PairingForm | None) -> dict[str, Any]:
    """How many comparisons and judgments a checked import makes, in words, with the form of a new dataset.

    form: where its values are wrong, the present ones count.
    """
    target = Dataset.objects.filter(slug=run.slug).first()
    is_usable = form is not None and (not form.is_bound or form.is_valid())
    policy = target or (form.instance if form and is_usable else Dataset(**run.dataset_settings))
    tally = fetch_tally(run, policy)
    return {
        "pairing_form": form,
        "target": target,
        "models": tally.models.most_common(MODELS_SHOWN),
        "more_models": max(0, len(tally.models) - MODELS_SHOWN),
        **describe_estimate(estimate(tally, policy), target is not None),
    }


def describe_estimate(numbers: Estimate, is_bound: bool) -> dict[str, Any]:
    """An estimate in words. is_bound: whether it is an upper bound."""
    comparisons, remaining = numbers.comparisons, numbers.remaining
    words = {
        "comparisons": ngettext("%(n)s comparison", "%(n)s comparisons", comparisons) % {"n": intcomma(comparisons)},
        "overlap": numbers.overlap,
        "judgments": format_judgments(numbers.judgments),
        "time": format_effort(numbers.total_seconds),
        "seconds": round(numbers.seconds),
    }
    total = _("At most %(comparisons)s × %(overlap)s = %(judgments)s") if is_bound else None
    total = total or _("≈ %(comparisons)s × %(overlap)s = %(judgments)s")
    effort = _("≈ %(time)s at %(seconds)s s") % words if remaining else ""
    return {
        "estimate": f"{total % words} {effort if not numbers.answered else ''}".strip(),
        "answered": numbers.answered and format_judgments(min(numbers.answered, numbers.judgments)),
        "remaining": f"{format_judgments(remaining)} {effort}".strip(),
        "seconds": round(numbers.seconds),
        "has_pace": numbers.has_pace,
    }


def format_judgments(n: int) -> str:
    return ngettext("%(n)s judgment", "%(n)s judgments", n) % {"n": intcomma(n)}


def format_effort(seconds: float) -> str:
    """A duration in minutes or hours, rounded."""
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return _("%(n)s min") % {"n": minutes}
    hours = round(seconds / 3600, 1 if seconds < 36000 else 0)
    return _("%(n)s h") % {"n": number_format(hours, 0 if hours == int(hours) else 1, force_grouping=True)}


def build_preview(run: Import) -> dict[str, Any]:
    """Counts and warnings of a checked import, and its first prompts as annotators will see them."""
    spool = Spool(imports_spool.get_spool_path(run))
    kinds = spool.count_by_kind()
    context = {
        "said": label_columns(run),
        "kinds": [(reasons.KINDS[kind], rows) for kind, (rows, _responses) in kinds.items()],
        "prompts": spool.count_prompts(),
        "responses": sum(responses for _rows, responses in kinds.values()),
        "good": run.rows - run.refused,
        "maskable": MASKABLE,
        "doubts": [(doubt, reasons.WARNINGS[doubt], *details) for doubt, details in spool.list_warnings().items()],
        "preview": [
            (render_prompt_parts(prompt), label_blind(responses))
            for prompt, responses in spool.list_first_prompts(PREVIEW_PROMPTS)
        ],
    }
    spool.close()
    return context


def label_blind(responses: Sequence[Response]) -> list[tuple[str, str]]:
    """(letter, HTML) of the first answers, without their sources and in an order that depends on their texts alone."""
    texts = sorted(dict.fromkeys(response.text for response in responses[:PREVIEW_ANSWERS]), key=hash_text)
    return [(letter, render_text(text)) for letter, text in zip(LETTERS, texts, strict=False)]


def read_refusals_page(run: Import, request: UserRequest) -> dict[str, Any]:
    """One page of refused rows."""
    path = imports_spool.get_spool_path(run)
    if not path.exists():
        return {"refusals": []}
    spool = Spool(path)
    refusals = list(spool.iter_refusals(parse_after(request), REFUSALS_A_PAGE))
    spool.close()
    lines = [
        {
            **refusal,
            "words": reasons.REFUSED[refusal["reason"]],
            "shown": json.dumps(refusal["row"], ensure_ascii=True)[:300],
        }
        for refusal in refusals
    ]
    return {"refusals": lines, "next": refusals[-1]["n"] if len(refusals) == REFUSALS_A_PAGE else None}

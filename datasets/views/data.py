"""The prompts of a dataset: the list with its filters, and acts on many of them."""

from collections import Counter
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import BadRequest
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from django.views.decorators.http import require_safe

from datasets import reasons
from datasets.models import Dataset, Job, Prompt
from datasets.prompts import bulk, search
from datasets.prompts.tasks import start_act
from datasets.text.rendered import count_plain_texts
from datasets.text.tags import parse_tags
from datasets.views.access import UserRequest, dataset_admin_required
from datasets.views.moved import posted_from
from datasets.views.paging import parse_after

ACTS = {
    "hold_back": gettext_lazy("Hold back"),
    "release": pgettext_lazy("prompts", "Release"),
    "add_tags": gettext_lazy("Add tag"),
    "remove_tags": gettext_lazy("Remove tag"),
    "overlap": gettext_lazy("Change overlap"),
    "delete": gettext_lazy("Delete"),
}
SELECTED, SHOWN, MATCHING = "selected", "shown", "matching"
SCOPES = {
    SELECTED: gettext_lazy("Selected prompts"),
    SHOWN: gettext_lazy("All on this page"),
    MATCHING: gettext_lazy("All that match the filters"),
}


@dataset_admin_required
@require_safe
def data_page(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The prompts of a dataset with filters, one page at a time, and the form for acts on many of them."""
    after = parse_after(request)
    say_of_task(request, dataset)
    form, offered = search.PromptFilter(dataset, request.GET), search.list_offered(dataset)
    context: dict[str, Any] = {
        "dataset": dataset,
        "form": form,
        "offered_lists": [("tags-offered", offered.tags), ("sources-offered", offered.sources)],
        "plain": [(n, reasons.PLAIN[why]) for why, n in count_plain_texts(dataset).items()],
        "filtered": any(request.GET.get(name) for name in form.fields),
    }
    if form.is_valid():
        page = search.find_page(dataset, form, after)
        query = request.GET.copy()
        query.pop("done", None)
        here = query.urlencode()
        query.pop("after", None)
        first = query.urlencode()
        query["after"] = str(page.next or "")
        context |= {
            "rows": search.describe_prompts(dataset, page.prompts),
            "page": page,
            "bulk": BulkForm(initial={"overlap": dataset.overlap}, auto_id="bulk_%s"),
            "shown": ",".join(str(prompt.pk) for prompt in page.prompts),
            "query": here,
            "first": first if after else None,
            "more": query.urlencode() if page.next else None,
        }
    return render(request, "datasets/data.html", context, status=200 if form.is_valid() else 422)


class BulkForm(forms.Form):
    """An act on many prompts. ids: those confirmed, or empty before; shown: those of the page."""

    scope = forms.ChoiceField(label=gettext_lazy("Apply to"), choices=list(SCOPES.items()))
    act = forms.ChoiceField(label=gettext_lazy("Action"), choices=[("", gettext_lazy("choose…")), *ACTS.items()])
    tag = forms.CharField(label=gettext_lazy("Tag"), required=False, max_length=200)
    overlap = forms.IntegerField(
        label=gettext_lazy("New overlap"), required=False, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )

    def clean(self) -> dict[str, Any]:
        super().clean()
        data = self.cleaned_data
        data["tags"] = parse_tags(data.get("tag", ""))
        if data.get("act") in ("add_tags", "remove_tags") and not data["tags"]:
            self.add_error("tag", _("Name a tag."))
        if data.get("act") == "overlap" and not data.get("overlap") and "overlap" not in self.errors:
            self.add_error("overlap", _("Name the new overlap."))
        return data


@dataset_admin_required
@posted_from("data", "slug")
def data_bulk(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Does what the form below the list says; asks first before it deletes, or acts on more than the page shows."""
    form, filters = BulkForm(request.POST), search.PromptFilter(dataset, request.GET)
    if not filters.is_valid():
        raise BadRequest(filters.errors.as_text())
    back = redirect(build_return_address(request, dataset))
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, str(errors[0]))
        return back
    data = form.cleaned_data
    confirmed = "confirmed" in request.POST
    if confirmed and data["scope"] == MATCHING and "all" in request.POST:
        return redirect("task", start_act(dataset, request.user, request.GET.urlencode(), describe_act(data)).pk)
    ids = list_chosen_ids(request, dataset, filters, SHOWN if confirmed else data["scope"])
    is_cut = len(ids) > bulk.MOST_PROMPTS
    if is_cut and data["scope"] != MATCHING:
        messages.error(request, reasons.CANNOT_ACT["too_many"] % {"most": intcomma(bulk.MOST_PROMPTS)})
    elif not ids:
        messages.error(request, _("No prompts selected."))
    elif not confirmed and (data["act"] == "delete" or data["scope"] == MATCHING):
        context = build_question(request, dataset, form, ids) | {"is_cut": is_cut, "most": bulk.MOST_PROMPTS}
        return render(request, "datasets/data_bulk.html", context)
    else:
        act_and_tell(request, dataset, data, ids)
    return back


def build_return_address(request: UserRequest, dataset: Dataset) -> str:
    """Where the list was, with its filters."""
    query = request.GET.urlencode()
    return reverse("data", args=[dataset.slug]) + (f"?{query}" if query else "")


def list_chosen_ids(request: UserRequest, dataset: Dataset, filters: search.PromptFilter, scope: str) -> list[int]:
    """Ids of the prompts that the form is about; one more than an act takes, where there are more."""
    if scope == MATCHING:
        return search.list_matching_ids(dataset, filters, bulk.MOST_PROMPTS + 1)
    sent = request.POST.get("shown", "").split(",") if scope == SHOWN else request.POST.getlist("prompt")
    return list(dict.fromkeys(int(pk) for pk in sent if pk.isdecimal() and len(pk) < 19))


def build_question(request: UserRequest, dataset: Dataset, form: BulkForm, ids: list[int]) -> dict[str, Any]:
    """Context of the page that asks before an act."""
    data = form.cleaned_data
    examples = Prompt.objects.filter(dataset=dataset, pk__in=ids[:5]).order_by("pk")
    return {
        "dataset": dataset,
        "act": data["act"],
        "act_name": ACTS[data["act"]],
        "value": data["overlap"] if data["act"] == "overlap" else ", ".join(data["tags"]),
        "sent": {name: data[name] if data[name] is not None else "" for name in ("act", "scope", "tag", "overlap")},
        "ids": ",".join(map(str, ids)) if len(ids) <= bulk.MOST_PROMPTS else "",
        "n": len(ids),
        "examples": examples,
        "query": request.GET.urlencode(),
        "back": build_return_address(request, dataset),
    }


def act_and_tell(request: UserRequest, dataset: Dataset, data: dict[str, Any], ids: list[int]) -> None:
    """Acts on prompts, and says what was done and what was not."""
    try:
        outcome = bulk.perform(dataset, ids, **describe_act(data), by=request.user)
    except bulk.CannotAct as refusal:
        messages.error(request, reasons.CANNOT_ACT[refusal.reason] % {"most": intcomma(bulk.MOST_PROMPTS)})
        return
    search.forget_offered(dataset)
    say(request, describe_act(data), outcome)


def say(request: UserRequest, data: dict[str, Any], outcome: bulk.Outcome) -> None:
    """Says what an act did and what it left as it was. data: arguments of `bulk.perform`."""
    if outcome.prompts:
        messages.success(request, format_done(data, outcome))
    for reason, n in sorted(outcome.left.items()):
        if n:
            messages.info(request, f"{format_left(n)} {reasons.LEFT_PROMPTS[reason]}")
    if not outcome.prompts and not +outcome.left:
        messages.info(request, _("These prompts no longer exist."))


def say_of_task(request: UserRequest, dataset: Dataset) -> None:
    """Says what the task in the query did, when it leads back here."""
    done = request.GET.get("done", "")
    if done.isdecimal() and len(done) < 19:
        job = Job.objects.filter(kind="prompts", dataset=dataset, state=Job.State.DONE, pk=done).first()
        if job:
            search.forget_offered(dataset)
            acted = job.result["acted"]
            say(request, job.arguments["act"], bulk.Outcome(**acted | {"left": Counter(acted["left"])}))


def describe_act(data: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `bulk.perform` in a valid form."""
    return {"name": data["act"], "tags": data["tags"], "overlap": data["overlap"] or 1}


def format_done(data: dict[str, Any], outcome: bulk.Outcome) -> str:
    """What an act did, as a sentence. data: arguments of `bulk.perform`."""
    n = outcome.prompts
    sentences = {
        "hold_back": ngettext(
            "%(n)s prompt held back (comparisons: %(m)s).", "%(n)s prompts held back (comparisons: %(m)s).", n
        ),
        "release": ngettext(
            "%(n)s prompt released (comparisons: %(m)s).", "%(n)s prompts released (comparisons: %(m)s).", n
        ),
        "add_tags": ngettext("%(n)s prompt tagged %(tags)s.", "%(n)s prompts tagged %(tags)s.", n),
        "remove_tags": ngettext(
            "Tag %(tags)s removed from %(n)s prompt.", "Tag %(tags)s removed from %(n)s prompts.", n
        ),
        "overlap": ngettext(
            "Overlap %(overlap)s for %(n)s prompt (comparisons: %(m)s).",
            "Overlap %(overlap)s for %(n)s prompts (comparisons: %(m)s).",
            n,
        ),
        "delete": ngettext("%(n)s prompt deleted.", "%(n)s prompts deleted.", n),
    }
    words = {
        "n": intcomma(n),
        "m": intcomma(outcome.comparisons),
        "tags": ", ".join(data["tags"]),
        "overlap": data["overlap"],
    }
    return sentences[data["name"]] % words


def format_left(n: int) -> str:
    return ngettext("%(n)s prompt unchanged:", "%(n)s prompts unchanged:", n) % {"n": intcomma(n)}

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from annotate.forms import VerdictForm
from annotate.judging import last_act, undo
from annotate.questions import pair
from annotate.queue import next_judgment
from datasets.access import annotator_required, signed_in
from datasets.models import Dataset, Judgment
from datasets.progress import judged_by, progress
from datasets.rendering import render as render_text
from datasets.rendering import shown_prompt, shown_responses

DATASETS_A_PAGE = 20
STANDS = {
    "left": gettext_lazy("A is better"),
    "right": gettext_lazy("B is better"),
    "tie": gettext_lazy("Tie"),
    "both_bad": gettext_lazy("Both bad"),
    "": gettext_lazy("Skipped"),
}


@signed_in
@require_safe
def home(request):
    datasets = Dataset.objects.current().open_to(request.user).filter(slug__gt=request.GET.get("after", ""))
    page = list(datasets.order_by("slug")[:DATASETS_A_PAGE])
    context = {
        "datasets": [(dataset, progress(dataset), judged_by(request.user, dataset)) for dataset in page],
        "next": page[-1].slug if len(page) == DATASETS_A_PAGE else None,
    }
    return render(request, "annotate/home.html", context)


@annotator_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def annotate(request, dataset):
    if request.method != "POST":
        return show_next(request, dataset)
    form = VerdictForm(dataset, request.POST)
    if not form.is_valid():
        for error in form.errors.get("verdict", []):
            messages.error(request, error)
        return show_next(request, dataset, status=422)
    mine = Judgment.objects.filter(annotator=request.user, dataset=dataset)
    judgment = get_object_or_404(mine, pk=form.cleaned_data["judgment"])
    if not form.save(judgment):
        tell_what_stands(request, judgment, form.cleaned_data["verdict"])
    return answer(request, dataset)


@annotator_required
def undo_last(request, dataset):
    if request.method != "POST":  # who pressed it after signing out comes here from the sign-in
        return redirect("annotate", dataset.slug)
    form = VerdictForm(dataset, {**request.POST.dict(), "verdict": "keep"})
    if form.is_valid():
        mine = Judgment.objects.filter(annotator=request.user, dataset=dataset)
        judgment = get_object_or_404(mine, pk=form.cleaned_data["judgment"])
        if not undo(judgment, form.cleaned_data["revision"]) and judgment.state == Judgment.State.SKIPPED:
            messages.info(request, _("Somebody else has the skipped comparison now."))
    return answer(request, dataset)


@annotator_required
@require_safe
def guideline(request, dataset):
    return render(request, "annotate/guideline.html", {"dataset": dataset, "guideline": render_text(dataset.guideline)})


def answer(request, dataset):
    """What follows an act: the next comparison at once for htmx, by a redirect without it."""
    return show_next(request, dataset) if request.htmx else redirect("annotate", dataset.slug)


def tell_what_stands(request, judgment, verdict):
    """Say so where an old form said something else than what was saved."""
    judgment.refresh_from_db()
    if judgment.state not in (Judgment.State.LEASED, Judgment.State.EXPIRED) and verdict != (
        judgment.verdict or "skip"
    ):
        messages.info(request, _("That one was saved before: %(verdict)s.") % {"verdict": STANDS[judgment.verdict]})


def show_next(request, dataset, status=200):
    """The comparison in hand, or "all done"; only the fragment for htmx."""
    judgment = next_judgment(request.user, dataset)
    context = {
        "dataset": dataset,
        "progress": progress(dataset),
        "judged": judged_by(request.user, dataset),
        "last_act": last_act(request.user, dataset),
        "judgment": judgment,
    }
    if not request.htmx and dataset.guideline:
        context["guideline"] = render_text(dataset.guideline)
    if judgment:
        context |= comparison_context(judgment)
    template = "annotate/_work.html" if request.htmx else "annotate/work.html"
    return render(request, template, context, status=status)


def comparison_context(judgment):
    """What the page shows of a comparison; no source, no id of a response, nothing of other people."""
    reopened = judgment.state == Judgment.State.REOPENED
    responses = shown_responses(judgment.order)
    return {
        "prompt": shown_prompt(judgment.comparison.prompt).html,
        "answers": list(zip(("left", "right"), "AB", [response.html for response in responses], strict=True)),
        "verdicts": pair.verdicts(judgment.dataset),
        "stands": STANDS[judgment.verdict] if reopened else None,
    }

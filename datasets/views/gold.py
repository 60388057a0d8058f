"""Gold questions of a dataset: create one from an admin's own judgment, list, explain and delete them."""

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from datasets import reasons
from datasets.comparisons import gold
from datasets.judgments.listing import assign_letters
from datasets.models import Dataset, Gold, Judgment
from datasets.text.rendered import fill_prompt, list_rendered_responses
from datasets.views.access import UserRequest, dataset_admin_required
from datasets.views.paging import parse_after

GOLD_A_PAGE = 25


class GoldForm(forms.ModelForm):
    class Meta:
        model = Gold
        fields = ["reason", "for_practice"]
        widgets = {"reason": forms.Textarea(attrs={"rows": 4})}


@dataset_admin_required
@require_safe
def gold_list(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The gold questions of a dataset, one page at a time."""
    page = gold.list_gold(dataset, parse_after(request) or 0, GOLD_A_PAGE + 1)
    mixed, practised = gold.count_gold(dataset)
    context = {
        "dataset": dataset,
        "gold": [(tally, format_answer(tally.gold)) for tally in page[:GOLD_A_PAGE]],
        "more": page[GOLD_A_PAGE - 1].gold.pk if len(page) > GOLD_A_PAGE else None,
        "mixed": mixed,
        "practised": practised,
    }
    return render(request, "datasets/gold.html", context)


@dataset_admin_required
def gold_page(request: UserRequest, dataset: Dataset, pk: int) -> HttpResponse:
    """A gold question: its comparison, its reason, its use and its attempts; POST changes or removes it."""
    known_answer = get_object_or_404(Gold.objects.select_related("comparison__prompt"), dataset=dataset, pk=pk)
    form = GoldForm(request.POST or None, instance=known_answer)
    if request.method == "POST" and "remove" in request.POST:
        gold.delete_gold(known_answer, request.user)
        messages.success(request, _("No known answer any more: the comparison is back in the queue."))
        return redirect("gold", dataset.slug)
    if request.method == "POST" and form.is_valid():
        gold.update_gold(known_answer, **form.cleaned_data, by=request.user)
        messages.success(request, _("Saved."))
        return redirect("gold", dataset.slug)
    ids = known_answer.comparison.response_ids
    won, lost = {chosen for chosen, _r in known_answer.choices}, {rejected for _c, rejected in known_answer.choices}
    context = {
        "dataset": dataset,
        "one": known_answer,
        "words": format_answer(known_answer),
        "form": form,
        "prompt": fill_prompt(known_answer.comparison.prompt).html,
        "answers": [(assign_letters(ids)[r.pk], r, r.pk in won - lost) for r in list_rendered_responses(ids)],
        "said": [(judgment, right) for _gold, judgment, right in gold.list_attempts([known_answer])],
    }
    return render(request, "datasets/gold_one.html", context, status=422 if form.errors else 200)


@dataset_admin_required
@require_POST
def gold_make(request: UserRequest, dataset: Dataset, pk: int) -> HttpResponse:
    """Turns an admin's judgment into the known answer of its comparison."""
    judgment = get_object_or_404(Judgment, dataset=dataset, pk=pk)
    if not gold.can_become_gold(judgment):
        raise Http404
    try:
        known_answer = gold.create_gold(judgment, by=request.user)
    except gold.CannotMakeGold as why:
        messages.error(request, reasons.CANNOT_MAKE_GOLD[why.reason])
        return redirect("judgment", dataset.slug, pk)
    messages.success(request, _("This is a known answer now. Say why, for those who practise with it."))
    return redirect("gold-one", dataset.slug, known_answer.pk)


def format_answer(known_answer: Gold) -> str:
    """The known answer in brief: the letters of the winning answers, `>`, those of the losing ones."""
    if known_answer.verdict != "choice":
        return known_answer.get_verdict_display()
    letters = assign_letters(known_answer.comparison.response_ids)
    won, lost = {chosen for chosen, _r in known_answer.choices}, {rejected for _c, rejected in known_answer.choices}
    best, rest = (", ".join(sorted(letters[pk] for pk in side)) for side in (won - lost, lost))
    return f"{best}\u00a0>\u00a0{rest}"

"""Gold questions of a dataset: create one from an admin's own judgment, list, explain and delete them."""

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from datasets import reasons
from datasets.comparisons import gold
from datasets.forms import QualityForm
from datasets.judgments.listing import assign_letters
from datasets.models import Comparison, Dataset, Gold, Judgment
from datasets.text.rendered import fill_prompt, list_rendered_responses
from datasets.views.access import UserRequest, dataset_admin_required
from datasets.views.judgments import build_links
from datasets.views.moved import posted_from
from datasets.views.paging import parse_after
from datasets.views.sorting import Keys, cut_page, parse_sort, sort_rows

GOLD_A_PAGE = 25
SORTED_BY: Keys = {"right": lambda tally: tally.right / tally.tried if tally.tried else None}


class NewGoldForm(forms.Form):
    """The answer that an admin names. held: what held the comparison when the page was rendered."""

    comparison = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    held = forms.CharField(required=False, max_length=20)
    best = forms.RegexField(r"\A(tie|both_bad|[0-9]{1,18})\Z")
    reason = forms.CharField(required=False, max_length=2000)

    def clean_best(self) -> int | str:
        best = self.cleaned_data["best"]
        return int(best) if best.isdecimal() else best


class GoldForm(forms.ModelForm):
    class Meta:
        model = Gold
        fields = ["reason", "for_practice"]
        widgets = {"reason": forms.Textarea(attrs={"rows": 4})}


@dataset_admin_required
def gold_list(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The gold questions of a dataset, one page at a time; POST saves how quality is measured."""
    form = QualityForm(request.POST or None, instance=dataset)
    if request.method == "POST" and form.is_valid():
        form.save(by=request.user)
        messages.success(request, _("Saved."))
        return redirect("gold", dataset.slug)
    order, after = parse_sort(request, SORTED_BY), parse_after(request)
    if order:
        tallies = sort_rows(gold.list_gold(dataset), order, SORTED_BY)
        page, more = cut_page(tallies, str(after), GOLD_A_PAGE, get_key)
    else:
        page, more = cut_page(gold.list_gold(dataset, after, GOLD_A_PAGE + 1), "", GOLD_A_PAGE, get_key)
    mixed, practised = gold.count_gold(dataset)
    context = {
        "dataset": dataset,
        "form": form,
        "gold": [(tally, format_answer(tally.gold)) for tally in page],
        "sorting": order,
        "mixed": mixed,
        "practised": practised,
    }
    context |= build_links(request, "after", more)
    return render(request, "datasets/gold.html", context, status=422 if form.errors else 200)


def get_key(tally: gold.GoldTally) -> str:
    return str(tally.gold.pk)


@dataset_admin_required
def gold_page(request: UserRequest, dataset: Dataset, pk: int) -> HttpResponse:
    """A gold question: its comparison, its reason, its use and its attempts; POST changes or removes it."""
    known_answer = get_object_or_404(Gold.objects.select_related("comparison__prompt"), dataset=dataset, pk=pk)
    form = GoldForm(request.POST or None, instance=known_answer)
    if request.method == "POST" and "remove" in request.POST:
        gold.delete_gold(known_answer, request.user)
        messages.success(request, _("Removed from gold: the comparison is back in the queue."))
        return redirect("gold", dataset.slug)
    if request.method == "POST" and form.is_valid():
        gold.update_gold(known_answer, **form.cleaned_data, by=request.user)
        messages.success(request, _("Saved."))
        return redirect("gold", dataset.slug)
    ids = known_answer.shown_order
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
@posted_from("judgment", "slug", "pk")
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
    messages.success(request, _("Gold question created. Add a reason, shown in the qualification round."))
    return redirect("gold-one", dataset.slug, known_answer.pk)


@dataset_admin_required
@posted_from("gold", "slug")
def gold_new(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Makes a comparison a gold question, with the answer of the form of its prompt's page or of the inbox."""
    form = NewGoldForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose a comparison and its best answer."))
        return redirect("flags" if "inbox" in request.POST else "gold", dataset.slug)
    data = form.cleaned_data
    comparison = get_object_or_404(Comparison, dataset=dataset, pk=data["comparison"])
    try:
        known_answer = gold.create_gold_from_answer(
            comparison.pk, data["held"], data["best"], data["reason"], request.user
        )
    except gold.CannotMakeGold as why:
        messages.error(request, reasons.CANNOT_MAKE_GOLD[why.reason])
        known_answer = None
    if "inbox" in request.POST:
        if known_answer:
            messages.success(request, _("Gold question created."))
        return redirect("flags", dataset.slug)
    if known_answer is None:
        return redirect("prompt", dataset.slug, comparison.prompt_id)
    messages.success(request, _("Gold question created. Add a reason, shown in the qualification round."))
    return redirect("gold-one", dataset.slug, known_answer.pk)


def format_answer(known_answer: Gold) -> str:
    """The known answer in brief: the letters of the winning answers, `>`, those of the losing ones."""
    if known_answer.verdict != "choice":
        return known_answer.get_verdict_display()
    letters = assign_letters(known_answer.shown_order)
    won, lost = {chosen for chosen, _r in known_answer.choices}, {rejected for _c, rejected in known_answer.choices}
    best, rest = (", ".join(sorted(letters[pk] for pk in side)) for side in (won - lost, lost))
    return f"{best}\u00a0>\u00a0{rest}"

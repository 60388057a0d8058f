"""The practice round as plain pages: a comparison, its known answer, the result at the end. Its reset by admins."""

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotate import practice
from annotate.comparison_context import build_comparison_context, render_criteria
from annotate.judging.forms import JudgmentForm, VerdictForm
from annotate.models import User
from annotate.questions import SKIP
from annotate.wording import Label, format_verdict
from datasets.comparisons.gold import is_right, list_choices
from datasets.db.turns import in_turn
from datasets.judgments import wording
from datasets.models import Dataset, Gold, Judgment
from datasets.text.rendered import render as render_text
from datasets.views.access import UserRequest, annotator_required, dataset_admin_required
from datasets.views.moved import posted_from


@in_turn
@annotator_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def practise(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """GET: the next comparison of the round, or its result. POST: saves a verdict, or begins another round."""
    if request.method == "POST" and "again" in request.POST:
        practice.begin_again(request.user, dataset)
        return redirect("practice", dataset.slug)
    if request.method == "POST":
        return save_posted_answer(request, dataset)
    round_ = practice.find_round(request.user, dataset)
    if round_ is None:
        return redirect("annotate", dataset.slug)
    if round_.next is None:
        return show_result(request, dataset)
    return show(request, dataset, round_, practice.ensure_judgment(request.user, round_.next))


@in_turn
@annotator_required
@never_cache
@require_http_methods(["GET", "HEAD"])
def practised(request: UserRequest, dataset: Dataset, pk: int) -> HttpResponse:
    """The known answer to a comparison, next to the person's own practice verdict."""
    mine = Judgment.objects.filter(annotator=request.user, dataset=dataset, purpose=practice.PRACTICE)
    mine = mine.filter(state__in=Judgment.STANDING, comparison__gold__for_practice=True)
    judgment = get_object_or_404(mine.select_related("comparison__gold", "dataset"), pk=pk)
    gold = judgment.comparison.gold
    right = is_right(gold, judgment.verdict, list_choices([pk]).get(pk, []))
    context = build_comparison_context(judgment) | {
        "dataset": dataset,
        "round": practice.find_round(request.user, dataset),
        "right": right,
        "said": format_verdict(judgment.verdict),
        "known": format_known(gold, judgment.order),
        "reason": render_text(gold.reason) if gold.reason else "",
    }
    return render(request, "annotate/practised.html", context)


class PersonForm(forms.Form):
    """The button beside a person."""

    person = forms.IntegerField(min_value=1, max_value=2**63 - 1)


@dataset_admin_required
@posted_from("annotators", "slug")
def reset_person(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Asks the person of the form to qualify again."""
    form = PersonForm(request.POST)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    person = get_object_or_404(User, pk=form.cleaned_data["person"])
    practice.reset(person, dataset, request.user)
    messages.success(request, _("%(name)s has to retake the qualification.") % {"name": person.username})
    return redirect(f"{reverse('annotators', args=[dataset.slug])}#qualification")


def show_result(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The result of a round that is over."""
    practice.finish_round(request.user, dataset)  # a gold question may have been removed since the last answer
    context = {
        "dataset": dataset,
        "round": practice.find_round(request.user, dataset),
        "attempts": practice.list_attempts(request.user, dataset),
    }
    return render(request, "annotate/practice_over.html", context)


def save_posted_answer(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Saves the posted practice verdict and redirects to the known answer."""
    judgment_form = JudgmentForm(request.POST)
    mine = Judgment.objects.filter(annotator=request.user, dataset=dataset, purpose=practice.PRACTICE)
    judgment = get_object_or_404(
        mine.select_related("comparison", "dataset"),
        pk=judgment_form.cleaned_data["judgment"] if judgment_form.is_valid() else 0,
    )
    form = VerdictForm(dataset, practice.build_practice_spec(judgment), request.POST, judgment.order)
    round_ = practice.find_round(request.user, dataset)
    if round_ is None:
        return redirect("annotate", dataset.slug)
    if not form.is_valid() or form.submission.verdict == SKIP:
        return show(request, dataset, round_, judgment, form, status=422)
    practice.save_answer(judgment, form.cleaned_data["revision"], form.submission)
    return redirect("practised", dataset.slug, judgment.pk)


def show(
    request: UserRequest,
    dataset: Dataset,
    round_: practice.Round,
    judgment: Judgment,
    form: VerdictForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The comparison as in the queue, without skip, flag, keep and undo."""
    differing = "differences" in request.GET
    context = build_comparison_context(judgment, form, differing, practice.build_practice_spec(judgment)) | {
        "dataset": dataset,
        "round": round_,
        "number": len(round_.answered) + 1,
        "is_practice": True,
        "action": reverse("practice", args=[dataset.slug]),
        "stands": None,
        "keep": False,
        "flags": None,
        "guideline": render_text(dataset.guideline) if dataset.guideline else "",
        "criteria": render_criteria(dataset),
    }
    return render(request, "annotate/practice.html", context, status=status)


def format_known(gold: Gold, order: list[int]) -> Label:
    """The known answer: the letters of the best responses, or the label of its verdict."""
    if gold.verdict != "choice":
        return format_verdict(gold.verdict)
    letters = dict(zip(order, wording.LETTERS, strict=False))
    best = {chosen for chosen, _r in gold.choices} - {rejected for _c, rejected in gold.choices}
    return ", ".join(sorted(letters[pk] for pk in best))

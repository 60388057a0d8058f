"""A person's own judgments of a dataset, to review and change."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import BadRequest
from django.db.models import Q, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotate.comparison_context import build_comparison_context
from annotate.judging.question_spec import build_spec
from annotate.models import User
from annotate.pauses import is_paused
from annotate.questions import STARS
from annotate.wording import Label, format_verdict
from datasets.db.turns import in_turn
from datasets.judgments import wording
from datasets.judgments.listing import (
    VERDICTS,
    DayField,
    assign_letters,
    get_day_start,
    list_page,
    parse_page_key,
)
from datasets.judgments.spans import describe_spans
from datasets.models import Comparison, Dataset, Judgment
from datasets.prompts.search import MOST_WORDS, match_word
from datasets.views.access import UserRequest, annotator_required

PAGE_SIZE = 30
LATEST = 10  # judgments beside the task
DONE_STATES = [*Judgment.STANDING, Judgment.State.SKIPPED]


def list_done(person: User, dataset: Dataset) -> QuerySet[Judgment]:
    """The person's own votes, skips and flags in a dataset, checks included."""
    judgments = Judgment.objects.filter(annotator=person, dataset=dataset, state__in=DONE_STATES)
    return judgments.filter(purpose__in=Judgment.WORK, decided_at__isnull=False)


class HistoryFilter(forms.Form):
    """Filters of a person's own judgments. Days are in the current time zone; `until` is included."""

    q = forms.CharField(label=_("Search prompts"), required=False, max_length=200)
    verdict = forms.ChoiceField(label=_("Verdict"), required=False)
    since = DayField(label=_("From"))
    until = DayField(label=_("To"))

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        verdict = self.fields["verdict"]
        assert isinstance(verdict, forms.ChoiceField)
        verdict.choices = [("", _("All")), *((key, words) for key, (words, _condition) in VERDICTS.items())]

    def apply(self, judgments: QuerySet[Judgment]) -> QuerySet[Judgment]:
        """The judgments that match a valid form."""
        filters = self.cleaned_data
        condition = VERDICTS[filters["verdict"]][1] if filters["verdict"] else Q()
        for word in filters["q"].split()[:MOST_WORDS]:
            condition &= match_word(word, prompt="comparison__prompt__")
        if filters["since"]:
            condition &= Q(decided_at__gte=get_day_start(filters["since"]))
        if filters["until"]:
            condition &= Q(decided_at__lt=get_day_start(filters["until"] + timedelta(days=1)))
        return judgments.filter(condition)


def list_latest(person: User, dataset: Dataset) -> list[tuple[Judgment, Label]]:
    """The person's last judgments of a dataset and their verdicts in words, newest first."""
    page, _older = list_page(list_done(person, dataset), size=LATEST)
    return [(judgment, format_judgment(judgment)) for judgment in page]


@in_turn
@annotator_required
@never_cache
@require_safe
def history(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """The person's judgments that match the filters, newest first."""
    key = request.GET.get("before")
    try:
        before = parse_page_key(key) if key else None
    except (ValueError, OverflowError):
        raise BadRequest("before") from None
    form = HistoryFilter(request.GET)
    found = list_done(request.user, dataset)
    found = form.apply(found) if form.is_valid() else found.none()
    page, older = list_page(found, before, PAGE_SIZE)
    kept = {name: value for name, value in form.data.items() if name in form.fields and value}
    context = {
        "dataset": dataset,
        "form": form,
        "kept": urlencode(kept),
        "judgments": [(judgment, format_judgment(judgment)) for judgment in page],
        "older": older,
    }
    return render(request, "annotate/history.html", context)


@in_turn
@annotator_required
@never_cache
@require_safe
def judged(request: UserRequest, dataset: Dataset, pk: int) -> HttpResponse:
    """One judgment: the comparison as shown, and the answers given."""
    mine = list_done(request.user, dataset).select_related("comparison__prompt", "dataset")
    judgment = get_object_or_404(mine, pk=pk)
    context = build_comparison_context(judgment)
    context |= {"dataset": dataset, "words": format_judgment(judgment), "details": format_details(judgment)}
    context["spans"] = describe_spans([judgment], assign_letters(judgment.order), dataset.span_labels).get(judgment.pk)
    is_changeable = judgment.state == Judgment.State.SAVED and judgment.comparison.held != Comparison.CHAT
    context["can_change"] = is_changeable and not is_paused(request.user, dataset)
    return render(request, "annotate/judged.html", context)


def format_judgment(judgment: Judgment) -> Label:
    """The label of a judgment's verdict, flag or skip."""
    return format_verdict("flag" if judgment.flag else judgment.verdict)


def format_details(judgment: Judgment) -> list[tuple[str, str, Any]]:
    """The answers beside the verdict as (criterion or "", kind, value).

    The value is a label for the kind `verdict`, else [(letter, stars or place)].
    """
    spec = build_spec(judgment.dataset, len(judgment.order), judgment.comparison.task)
    parts: dict[str, Mapping[str, Any]] = {"": judgment.said, **judgment.said.get("criteria", {})}
    return [
        (
            criterion,
            kind,
            list(zip(wording.LETTERS, values, strict=False)) if kind != "verdict" else format_verdict(values[0]),
        )
        for criterion, part in parts.items()
        for kind, values in part.items()
        if spec.question and kind in (STARS, "rank", "verdict")
    ]
